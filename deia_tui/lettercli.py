"""The commands `msg …`: messages between bots. In a bot's agent they work in its name, without any option."""

import json
import sys
import time
from datetime import datetime
from getpass import getuser
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters.letter import LONGEST_TTL_S
from deia_tui.core.text import clean, clean_lines, shorten
from deia_tui.folder import Folder
from deia_tui.inside import inside_bot

_SUBJECT = 60
"""Characters of a text that a table shows."""


ttl_option = click.option(
    "--ttl",
    "ttl_s",
    type=click.FloatRange(0, LONGEST_TTL_S, min_open=True),
    metavar="SECONDS",
    help="Expires when it could not be delivered in this time (default: an hour).",
)


@click.group()
def msg() -> None:
    """Send messages from bot to bot, and read them."""


@msg.command()
@click.argument("to_bot", metavar="BOT")
@click.argument("text", nargs=-1)
@click.option("--from", "from_bot", metavar="NAME", help="Who writes (default: you; in a bot, that bot).")
@cli.priority_option
@ttl_option
@click.option("--id", "message_id", help="The same id with the same text again sends nothing.")
@cli.json_option
@cli.command
def send(
    to_bot: str,
    text: tuple[str, ...],
    from_bot: str | None,
    priority: int,
    ttl_s: float | None,
    message_id: str | None,
    as_json: bool,
) -> None:
    """Send a message to BOT and print its id.

    Without TEXT, or with '-', it is read from standard input. The bot gets it as its next turn, or once it runs; for a
    shell it is a command line.
    """
    more = {"message_id": message_id, "from_bot": from_bot}
    _send(to_bot, _text(text), priority=priority, ttl_s=ttl_s, as_json=as_json, **more)


@msg.command()
@click.argument("message_id", metavar="ID")
@click.argument("text", nargs=-1)
@cli.priority_option
@ttl_option
@cli.json_option
@cli.command
def reply(message_id: str, text: tuple[str, ...], priority: int, ttl_s: float | None, as_json: bool) -> None:
    """Answer the message ID: to the bot that wrote it.

    Without TEXT, or with '-', it is read from standard input.
    """
    remote = cli.remote_hive()
    answered = remote.get(f"/api/messages/{message_id}")
    bots = {bot["id"] for bot in remote.get("/api/bots")}
    writer, reader = answered["from_bot"], answered["to_bot"]
    to_bot = reader if writer == _own_bot() else writer
    if to_bot not in bots:
        raise CommandRejected(
            f"{to_bot} is no bot and gets no messages: what {reader} says in its turn is read there.", status=400
        )
    _send(to_bot, _text(text), priority=priority, ttl_s=ttl_s, as_json=as_json, reply_to=message_id)


@msg.command()
@click.argument("bot", required=False)
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@cli.json_option
@cli.command
def inbox(bot: str | None, limit: int, as_json: bool) -> None:
    """Show what BOT has not read yet, most urgent first."""
    found = cli.remote_hive().get(f"/api/messages/inbox/{_whose(bot)}", limit=limit)
    _list(found, as_json, nothing="Nothing is unread.")


@msg.command()
@click.argument("message_id", metavar="ID")
@cli.json_option
@cli.command
def show(message_id: str, as_json: bool) -> None:
    """Show a message; that does not mark it as read."""
    _show(cli.remote_hive().get(f"/api/messages/{message_id}"), as_json)


@msg.command()
@click.argument("message_id", metavar="ID")
@cli.json_option
@cli.command
def read(message_id: str, as_json: bool) -> None:
    """Show a message and mark it as read.

    Its bot does not get it as a turn any more.
    """
    _show(cli.remote_hive().post(f"/api/messages/{message_id}/read"), as_json)


@msg.command()
@click.argument("bots", nargs=-1, required=True, metavar="BOT [BOT]")
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest of them.")
@cli.json_option
@cli.command
def conversation(bots: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show what two bots wrote to each other, oldest first.

    In a bot, one name is enough: its conversation with that bot.
    """
    if len(bots) > 2:
        raise click.UsageError("Name two bots; in a bot, one.")
    one, other = bots if len(bots) == 2 else (_whose(None), bots[0])
    query = {"bot_id": one, "with": other, "limit": limit}
    found: list[dict[str, Any]] = cli.remote_hive().get("/api/messages", **query)[::-1]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join(map(_page, found)) or f"{one} and {other} have not written to each other.")


@msg.command()
@cli.json_option
@cli.command
def status(as_json: bool) -> None:
    """Show how many messages wait, and what became of others."""
    found = cli.remote_hive().get("/api/messages/status")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo("  ".join(f"{number} {state}" for state, number in found["counts"].items()))
    if found["pending_for"]:
        waiting = ", ".join(f"{clean(bot_id)} ({number})" for bot_id, number in found["pending_for"].items())
        click.echo(f"wait for {waiting}; the oldest for {found['oldest_s']:.0f} s")


def _send(to_bot: str, text: str, *, as_json: bool, from_bot: str | None = None, **more: Any) -> None:
    if not text.strip():
        raise CommandRejected("The message is empty: say what the bot shall read.", status=400)
    writer = from_bot or (None if _own_bot() else _name())
    body = {"to_bot": to_bot, "text": text, "from_bot": writer, **more}
    sent = cli.remote_hive().post("/api/messages", body)
    click.echo(json.dumps(sent) if as_json else sent["message_id"])


def _text(words: tuple[str, ...]) -> str:
    return " ".join(words) if words and words != ("-",) else sys.stdin.read()


def _own_bot() -> str:
    """The bot whose agent runs us, or ""."""
    folder = click.get_current_context().find_object(Folder)
    return inside_bot(folder) if folder is not None else ""


def _whose(bot: str | None) -> str:
    if found := bot or _own_bot():
        return found
    raise click.UsageError("Say which bot: its id. Only in a bot that is clear.")


def _name() -> str:
    """Who writes, if no bot does."""
    try:
        return getuser()
    except (OSError, KeyError):  # a user that this machine has no name for
        return "human"


def _list(found: list[dict[str, Any]], as_json: bool, *, nothing: str) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    head = ("ID", "P", "FROM", "STATE", "AGE", "TEXT")
    rows = [head, *map(_row, found)]
    click.echo(cli.aligned(rows) if found else nothing)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    age = f"{max(0.0, time.time() - one['sent_at']):.0f} s"
    text = shorten(clean(one["text"].strip()), _SUBJECT)
    return one["message_id"], f"P{one['priority']}", clean(one["from_bot"]), one["state"], age, text


def _show(one: dict[str, Any], as_json: bool) -> None:
    click.echo(json.dumps(one, indent=2, ensure_ascii=False) if as_json else _page(one))


def _page(one: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(one["sent_at"]).strftime("%Y-%m-%d %H:%M:%S")
    answered = f", in answer to {one['reply_to']}" if one["reply_to"] else ""
    why = f": {one['error']}" if one["error"] and one["state"] in ("pending", "failed") else ""
    between = f"{one['from_bot']} → {one['to_bot']}"
    head = f"{one['message_id']}  {between}  P{one['priority']}  {at}  {one['state']}{why}{answered}"
    return f"{clean(head)}\n{clean_lines(one['text'])}"
