"""The commands that talk to a running hive: each is one or two requests over its unix socket and some printing."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click

from deia_tui.core import codec
from deia_tui.core.errors import CommandRejected, ConfigError, DeiaError, NoSupervisor
from deia_tui.core.events import Event, OutputAdded
from deia_tui.core.permissions import POLICY
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.wording import ROUTINE, describe
from deia_tui.core.work.tasks import read_priority
from deia_tui.folder import Folder
from deia_tui.identity import wait_for_end

DONE, FAILED, USAGE, NO_SUPERVISOR = 0, 1, 2, 3

P = ParamSpec("P")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def given_priority(_: click.Context, __: click.Parameter, given: str) -> int:
    try:
        return read_priority(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


priority_option = click.option(
    "--priority", "-p", callback=given_priority, default="P2", show_default=True, help="P0 (urgent) to P3."
)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """One line on stderr and the exit code of spec: 1 it failed, 2 wrong usage, 3 no supervisor."""
    try:
        yield
    except CommandRejected as refusal:
        busy = refusal.status == 429 and refusal.retry_after_s
        fail(f"{refusal} Try again in {refusal.retry_after_s:.0f} s." if busy else str(refusal), _exit_code(refusal))
    except DeiaError as error:
        fail(str(error), _exit_code(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(DONE)


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    click.echo(f"deia-tui: {clean(sentence)}", err=True)
    sys.exit(code)


def _exit_code(error: DeiaError) -> int:
    if isinstance(error, NoSupervisor):
        return NO_SUPERVISOR
    wrong_usage = isinstance(error, ConfigError) or (isinstance(error, CommandRejected) and error.status in (400, 404))
    return USAGE if wrong_usage else FAILED


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command whose errors are sentences."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors_as_sentences():
            function(*args, **kwargs)

    return guarded


def remote_hive() -> Any:
    from deia_tui.remote import RemoteHive

    return RemoteHive(_folder())


def _folder() -> Folder:
    folder = click.get_current_context().find_object(Folder)
    assert folder is not None
    return folder


@click.command()
@json_option
@command
def status(as_json: bool) -> None:
    """Show the bots of the hive, and how much work it has."""
    found = remote_hive().get("/api/status")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    supervisor = found["supervisor"]
    click.echo(f"{clean(found['hive']['folder'])} · supervisor {supervisor['pid']} ({supervisor['mode']})")
    click.echo(table(found["bots"]) if found["bots"] else "No bots yet: deia-tui launch shell")
    click.echo(_work(found["work"]))


def _work(work: dict[str, Any]) -> str:
    """How much there is to do, in a line; how the hive copes, if not well."""
    counts = {name: work[name] for name in ("running", "scheduled", "waiting", "held", "dead") if work[name]}
    told = [f"{count} {name}" for name, count in counts.items()]
    told += [f"{count} messages between bots wait"] if (count := work["letters_pending"]) else []
    strain = [] if work["strain"] == "healthy" else [f"{work['strain']}: {clean(work['strain_reason'])}"]
    return f"work: {' · '.join([*(told or ['none']), *strain])}"


def table(bots: list[dict[str, Any]]) -> str:
    """The bots of a status report as an aligned table."""
    head = ("ID", "STATE", "NOW", "PID", "PORT", "RUN", "RESTARTS", "CPU %", "MB", "BREAKER", "HEALTH", "AGENT", "EXIT")
    return aligned([head, *(_row(bot) for bot in bots)])


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(bot: dict[str, Any]) -> tuple[str, ...]:
    def text(value: Any) -> str:
        return "–" if value is None else clean(str(value))

    exit = bot["exit"] or {}
    ended = exit.get("signal") or (f"exit {exit['code']}" if exit.get("code") is not None else None)
    return (
        bot["id"],
        bot["state"],
        _now(bot),
        text(bot["pid"]),
        text(bot["port"]),
        text(bot["run"]),
        text(bot["restarts"]),
        text(bot["cpu_percent"]),
        text(bot["memory_mb"]),
        bot["breaker"],
        bot["health"],
        text(bot["template"] or bot["agent"]),
        text(ended or ("unknown" if bot["exit"] else None)),
    )


def _now(bot: dict[str, Any]) -> str:
    if bot["state"] != "running":
        return "–"
    return f"{bot['activity']}, held by its {bot['held']['kind']}" if bot.get("held") else str(bot["activity"])


@click.command()
@click.argument("what")
@click.option("--count", "-n", default=1, show_default=True, help="How many.")
@click.option("--id", "bot_id", help="The id of the bot (with a count of 1).")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all of them answer.")
@command
def launch(what: str, count: int, bot_id: str | None, wait: bool) -> None:
    """Launch bots and print their ids.

    WHAT is a template, an agent, or a bot that hive.toml declares.
    """
    body = {"what": what, "count": count, "bot_id": bot_id, "wait": wait}
    click.echo("\n".join(remote_hive().post("/api/bot/launch", body)["bots"]))


@click.command()
@click.argument("bot_id")
@click.argument("text", nargs=-1)
@click.option("--yes", "-y", is_flag=True, help="Do not ask about a text that looks risky.")
@command
def send(bot_id: str, text: tuple[str, ...], yes: bool) -> None:
    """Send a message to a bot and stream its answer.

    Without TEXT, or with '-', it is read from standard input. What the bot does and asks meanwhile is told on standard
    error. At a terminal a text that holds a risky command is sent when you confirm it.
    """
    message = " ".join(text) if text and text != ("-",) else sys.stdin.read()
    remote = remote_hive()
    status = remote.get("/api/status")
    after = status["hive"]["seq"]
    if not yes:
        _confirm(bot_id, message, next((bot["kind"] for bot in status["bots"] if bot["id"] == bot_id), ""))
    message_id = uuid.uuid4().hex
    remote.post(f"/api/bot/send/{bot_id}", {"text": message, "message_id": message_id})
    if _is_for_another_bot(bot_id):
        click.echo(f"· sent; what {bot_id} answers is not told to other bots", err=True)
        return
    ended = _stream_answer(remote, bot_id, message_id, after)
    if ended["status"] != "answered":
        reason = "" if ended["error"] == ended["status"] else f": {ended['error']}"
        fail(f"{bot_id}: {ended['status']}{reason}")


def _is_for_another_bot(bot_id: str) -> bool:
    """A bot may write to others, but reads its own events only: see core/passes.py."""
    from deia_tui.inside import inside_bot

    return inside_bot(_folder()) not in ("", bot_id)


def _confirm(bot_id: str, message: str, kind: str) -> None:
    """Ask somebody who sits there; who writes by a script has thought of it before."""
    from deia_tui.core.risk import ASKS_ITSELF, risky

    attended = all(stream.isatty() for stream in (sys.stdin, sys.stderr))
    if attended and kind != ASKS_ITSELF and (reason := risky(message)):
        click.echo(f"{clean_lines(message)}\n\n{reason}.", err=True)
        if not click.confirm(f"Send it to {bot_id}?", err=True):
            fail("Not sent.")


def _stream_answer(remote: Any, bot_id: str, message_id: str, after: int) -> dict[str, Any]:
    """Print the answer as it comes; ctrl-C interrupts the bot, a second one leaves at once."""
    interrupted = in_line = False
    asked: dict[str, str] = {}
    while True:
        try:
            for event in remote.stream("/api/events", bot_id=bot_id, after=after, forever=True):
                after = event["seq"]
                _tell_beside(event, message_id, asked)
                if event.get("message_id") != message_id:
                    continue
                if event["type"] == "output_added":
                    text = clean_lines(event["text"]) if sys.stdout.isatty() else event["text"]
                    in_line = bool(text) and not text.endswith("\n")
                    click.echo(text, nl=False)
                elif event["type"] == "turn_ended":
                    if in_line:
                        click.echo()
                    return dict(event)
            raise DeiaError("The supervisor ended before the answer did: it goes on, 'deia-tui' shows it.")
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            remote.post(f"/api/bot/interrupt/{bot_id}")


def _tell_beside(event: dict[str, Any], message_id: str, asked: dict[str, str]) -> None:
    """What the bot does for this message beside answering; `asked` is what it wanted leave for, by request. What its
    policy allows is not worth a line."""
    from deia_tui.core.wording import wanted_of

    ours = event.get("message_id") == message_id
    line = ""
    match event["type"]:
        case "tool_call_changed" if ours and event["call"]["status"] in ("completed", "failed"):
            line = f"{event['call']['title']} · {event['call']['status']}"
        case "permission_asked" if ours:
            request = event["request"]
            asked[request["request_id"]] = what = wanted_of(request["tool"], request["title"])
            answer = f"deia-tui approve {request['request_id'][:8]} --allow"
            if event["expires_at"] > event["at"]:
                line = f"asks for leave: {what} ('{answer}', or --deny)"
        case "permission_answered" if event["request_id"] in asked:
            line = f"{event['outcome'].replace('_', ' ')}{' by ' + event['by'] if event['by'] else ''}"
            if event["by"] == POLICY:
                what = asked[event["request_id"]]
                line = "" if event["outcome"].startswith("allow") else f"{what} · {line} ({event['note']})"
        case "agent_degraded":
            line = event["reason"]
    if line:
        click.echo(f"· {clean(line)}", err=True)


def _for_each(bot_ids: tuple[str, ...], verb: str) -> None:
    from deia_tui.waiting import for_each

    remote = remote_hive()
    for_each(bot_ids, lambda bot_id: remote.post(f"/api/bot/{verb}/{bot_id}"))


@click.command()
@click.argument("bot_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every bot of the hive.")
@click.option("--drain", is_flag=True, help="Let them finish all accepted work first, however long that takes.")
@command
def stop(bot_ids: tuple[str, ...], everything: bool, drain: bool) -> None:
    """Stop bots gracefully.

    Work gets 8 s to end, after 10 s it is killed.
    """
    from deia_tui import waiting

    if everything == bool(bot_ids):
        raise click.UsageError("Say which bots to stop: ids, or --all.")
    if everything:
        click.echo("\n".join(waiting.stop_all(remote_hive(), drain=drain)) or "No bot runs.")
    else:
        waiting.stop(remote_hive(), bot_ids, drain=drain)


@click.command()
@click.argument("bot_ids", nargs=-1, required=True)
@command
def kill(bot_ids: tuple[str, ...]) -> None:
    """Kill bots and everything they started, now."""
    _for_each(bot_ids, "kill")


@click.command()
@click.argument("bot_ids", nargs=-1, required=True)
@command
def restart(bot_ids: tuple[str, ...]) -> None:
    """Start bots anew, with fresh restart counts.

    Those that run are stopped first. Conversations go on.
    """
    _for_each(bot_ids, "restart")


@click.command()
@click.argument("bot_ids", nargs=-1, required=True)
@command
def interrupt(bot_ids: tuple[str, ...]) -> None:
    """End the answers in progress; the bots stay."""
    _for_each(bot_ids, "interrupt")


@click.command()
@click.option("--leave-bots", is_flag=True, help="Let the bots run on without a supervisor.")
@command
def shutdown(leave_bots: bool) -> None:
    """End the supervisor of the hive, and its bots.

    With --leave-bots they run on.
    """
    from deia_tui import waiting

    remote = remote_hive()
    if not leave_bots:
        with suppress(CommandRejected):  # what cannot be stopped on record, on a full disk, ends with the supervisor
            waiting.stop_all(remote, drain=False)
    what = "the bots live on" if leave_bots else "the bots are stopped"
    reason = f"Closed by 'deia-tui shutdown': {what}."
    pid = remote.shut_down(leave_bots=leave_bots, reason=reason)
    if not wait_for_end(pid):
        fail(f"The supervisor (pid {pid}) has not ended after 30 s: see 'deia-tui status'.")


@click.command()
@click.argument("bot_id")
@click.option("--lines", "-n", default=50, show_default=True, help="How many of the newest lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on as more is logged.")
@json_option
@command
def logs(bot_id: str, lines: int, follow: bool, as_json: bool) -> None:
    """Show what a bot did and wrote, by time."""
    remote = remote_hive()
    remote.get(f"/api/bot/{bot_id}/status")
    _print_events(remote.stream("/api/events", bot_id=bot_id, last=lines, forever=follow), as_json)


@click.command()
@click.option("--last", "-n", default=50, show_default=True, help="How many of the newest events.")
@click.option("--follow", "-f", is_flag=True, help="Go on as more happens.")
@json_option
@command
def events(last: int, follow: bool, as_json: bool) -> None:
    """Show what happened in the hive."""
    _print_events(remote_hive().stream("/api/events", last=last, forever=follow), as_json)


def _print_events(stream: Iterator[dict[str, Any]], as_json: bool) -> None:
    try:
        for row in stream:
            if as_json:
                click.echo(json.dumps(row, ensure_ascii=False))
                continue
            event = codec.from_json({name: value for name, value in row.items() if name != "seq"})
            if not isinstance(event, ROUTINE):
                click.echo(event_line(event))
    except KeyboardInterrupt:
        sys.exit(DONE)


def event_line(event: Event) -> str:
    """An event on one line; output keeps its lines. The date stands where it is not today's."""
    level, what, details = describe(event)
    at = datetime.fromtimestamp(event.at)
    when = at.strftime("%H:%M:%S" if at.date() == datetime.now().date() else "%Y-%m-%d %H:%M:%S")
    bot_id = getattr(event, "bot_id", None) or "hive"
    if isinstance(event, OutputAdded):
        return "\n".join(f"{when} {bot_id} │ {line}" for line in clean_lines(details).split("\n"))
    mark = "" if level == "info" else f"{level} "
    return f"{when} {bot_id} {mark}{what}  {clean(details)}".rstrip()


COMMANDS = [status, launch, send, stop, kill, restart, interrupt, shutdown, logs, events]
