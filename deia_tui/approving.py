"""The command `approve`: what agents ask leave for, and the answers."""

import json
from getpass import getuser
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.errors import CommandRejected
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.wording import wanted_of

_SHOWN = 12
"""So many lines of what an agent would do are shown."""


@click.command()
@click.argument("which", required=False)
@click.option("--allow", "outcome", flag_value="allow_once", help="Let it do this once.")
@click.option("--always", "outcome", flag_value="allow_always", help="Let it do such things from now on.")
@click.option("--deny", "outcome", flag_value="reject_once", help="Do not let it.")
@click.option("--note", default="", help="What the agent is told with the answer.")
@cli.json_option
@cli.command
def approve(which: str | None, outcome: str | None, note: str, as_json: bool) -> None:
    """Show what agents ask leave for, or answer WHICH of it.

    WHICH is a bot, or the beginning of a request's id.
    """
    remote = cli.remote_hive()
    waiting: list[dict[str, Any]] = remote.get("/api/approvals")
    if which is None:
        if outcome is not None:
            raise click.UsageError("Say which request to answer: its id, or its bot.")
        click.echo(json.dumps(waiting, indent=2, ensure_ascii=False) if as_json else _requests(waiting))
        return
    if outcome is None:
        raise click.UsageError("Say how to answer: --allow, --always or --deny.")
    request = _request(which, waiting)
    body = {"outcome": outcome, "note": note, "by": _name()}
    answered = remote.post(f"/api/approvals/{request['request_id']}", body)
    said = f"{request['bot_id']}: {request['title']} · {outcome.replace('_', ' ')}"
    click.echo(json.dumps(answered) if as_json else clean(said))


def _request(which: str, waiting: list[dict[str, Any]]) -> dict[str, Any]:
    """The one request that is meant; raises CommandRejected where that is none, or not certain."""
    meant = [one for one in waiting if one["bot_id"].lower() == which.lower()]
    meant = meant or [one for one in waiting if which and one["request_id"].startswith(which.lower())]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise CommandRejected(
            f"Nothing that waits for an answer is called '{which}': see 'deia-tui approve'.", status=404
        )
    ids = ", ".join(one["request_id"][:8] for one in meant)
    raise CommandRejected(f"'{which}' may be one of {len(meant)} requests: say which of {ids}.", status=400)


def _requests(waiting: list[dict[str, Any]]) -> str:
    """What waits for an answer, oldest first: a line each, and what exactly the agent would do."""
    lines: list[str] = []
    for one in waiting:
        times = f"{one['age_s']:.0f} s ago, denied in {one['expires_in_s']:.0f} s"
        what = clean(wanted_of(one["tool"], one["title"]))
        lines.append(f"{one['request_id'][:8]}  {one['bot_id']}  {what}  ({times})")
        lines += [f"          {line}" for line in clean_lines(one["input"]).splitlines()[:_SHOWN]]
    return "\n".join(lines) or "Nobody asks for leave."


def _name() -> str:
    """Who answers, for the audit."""
    try:
        return getuser()
    except (OSError, KeyError):  # a user that this machine has no name for
        return "human"
