"""The commands `task …`: work is added, looked at, changed and waited for."""

import json
import sys
import time
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any

import click

from deia_tui import cli, taskpages
from deia_tui.core.errors import CommandRejected, DeiaError
from deia_tui.core.text import clean, clean_lines
from deia_tui.core.work.tasks import ENDED, TaskState, TaskType

_NAMED = 5
_ENDED = {str(state) for state in ENDED}


@click.group()
def task() -> None:
    """Give the hive work, and see what becomes of it.

    A task is named by its id, or by how that begins.
    """


@task.command()
@click.argument("text", nargs=-1)
@click.option("--to", "to", default="", metavar="BOT", help="For this bot alone (default: for anyone).")
@cli.priority_option
@click.option("--after", multiple=True, metavar="ID", help="Not before this task is done; may be given again.")
@click.option("--type", "task_type", type=click.Choice([str(kind) for kind in TaskType]), help="Default: found out.")
@click.option("--title", default="", help="Default: the first line of the text.")
@click.option("--id", "task_id", help="The same id with the same text again adds nothing.")
@click.option("--held", "held", is_flag=True, help="Keep it back until 'task release'.")
@click.option("--file", "-f", "path", type=click.Path(dir_okay=False, path_type=Path), help="Read the text from it.")
@click.option("--wait", "-w", "wait_for_it", is_flag=True, help="Stream the answer; exit 1 unless it is done.")
@cli.json_option
@cli.command
def add(
    text: tuple[str, ...],
    to: str,
    priority: int,
    after: tuple[str, ...],
    task_type: str | None,
    title: str,
    task_id: str | None,
    held: bool,
    path: Path | None,
    wait_for_it: bool,
    as_json: bool,
) -> None:
    """Add a task and print its id.

    Without TEXT, or with '-', it is read from standard input.
    """
    said = _text(text, path)
    if not said.strip():
        raise CommandRejected("The task is empty: say what is to be done.", status=400)
    body = {"text": said, "to": to, "priority": priority, "after": after, "type": task_type}
    body |= {"title": title, "task_id": task_id, "held": f"by {_name()}" if held else "", "sender": _name()}
    remote = cli.remote_hive()
    seq = remote.get("/api/status")["hive"]["seq"]
    added: str = remote.post("/api/tasks", body)["task_id"]
    if not wait_for_it:
        click.echo(json.dumps({"task_id": added}) if as_json else added)
        return
    _follow(remote, added, seq, tell=not as_json)
    if as_json:
        click.echo(json.dumps(remote.get(f"/api/tasks/{added}"), indent=2, ensure_ascii=False))
    _exit_as_ended([remote.get(f"/api/tasks/{added}")])


@task.command("list")
@click.option("--state", "-s", "states", multiple=True, type=click.Choice([str(state) for state in TaskState]))
@click.option("--open", "only_open", is_flag=True, help="Only those that have not ended.")
@click.option("--bot", "bot_id", help="Those for this bot, with it or done by it.")
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many.")
@cli.json_option
@cli.command
def list_tasks(
    states: tuple[str, ...], only_open: bool, bot_id: str | None, limit: int, offset: int, as_json: bool
) -> None:
    """Show tasks: with a bot, then waiting, then ended.

    Those that wait stand in the order of the queue, those that ended newest first.
    """
    wanted = states or tuple(str(state) for state in TaskState if not only_open or state not in ENDED)
    query: dict[str, Any] = {"state": wanted, "limit": limit, "offset": offset}
    found = cli.remote_hive().get("/api/tasks", **query, **({"bot_id": bot_id} if bot_id else {}))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(
            taskpages.table(found, time.time()) if found else "No such task." if offset or states else "No tasks yet."
        )


@task.command()
@click.argument("task_id")
@cli.json_option
@cli.command
def show(task_id: str, as_json: bool) -> None:
    """Show a task: what it says, its attempts, its answer."""
    remote = cli.remote_hive()
    found = remote.get(f"/api/tasks/{_meant(remote, task_id)}")
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else taskpages.page(found))


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@cli.command
def cancel(task_ids: tuple[str, ...]) -> None:
    """End tasks; the bot of one that runs is interrupted."""
    _each(task_ids, "cancel")


@task.command()
@click.argument("task_ids", nargs=-1)
@click.option("--dead", is_flag=True, help="Every dead task.")
@cli.json_option
@cli.command
def retry(task_ids: tuple[str, ...], dead: bool, as_json: bool) -> None:
    """Try dead or cancelled tasks anew, waiting ones at once."""
    if dead == bool(task_ids):
        raise click.UsageError("Say which tasks to retry: ids, or --dead.")
    remote = cli.remote_hive()
    body = {"task_ids": [_meant(remote, task_id) for task_id in task_ids], "dead": dead, "by": _name()}
    found = remote.post("/api/tasks/retry", body)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        many = found["retried"]
        click.echo(f"{many} task{' is' if many == 1 else 's are'} back in the queue.")
        for reason in found["refused"].values():
            click.echo(f"· {clean(reason)}", err=True)
    if found["refused"]:
        sys.exit(cli.FAILED)


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@click.argument("priority", callback=cli.given_priority)
@cli.command
def priority(task_ids: tuple[str, ...], priority: int) -> None:
    """Change how urgent tasks are: P0 to P3."""
    _change(task_ids, priority=priority)


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@click.argument("bot")
@cli.command
def assign(task_ids: tuple[str, ...], bot: str) -> None:
    """Give tasks to BOT alone, or to 'anyone'."""
    _change(task_ids, to="" if bot.lower() == "anyone" else bot)


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@click.option("--reason", default="", help="Shown with the task.")
@cli.command
def hold(task_ids: tuple[str, ...], reason: str) -> None:
    """Keep tasks back until they are released."""
    _each(task_ids, "hold", reason=reason)


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@cli.command
def release(task_ids: tuple[str, ...]) -> None:
    """Let tasks go on that were held."""
    _each(task_ids, "release")


@task.command()
@click.argument("task_ids", nargs=-1, required=True)
@cli.json_option
@cli.command
def wait(task_ids: tuple[str, ...], as_json: bool) -> None:
    """Wait until tasks ended; exit 1 unless all are done."""
    remote = cli.remote_hive()
    ended = []
    for task_id in [_meant(remote, given) for given in task_ids]:
        _follow(remote, task_id, None, tell=False)
        ended.append(remote.get(f"/api/tasks/{task_id}"))
    if as_json:
        click.echo(json.dumps(ended, indent=2, ensure_ascii=False))
    _exit_as_ended(ended)


def _text(words: tuple[str, ...], path: Path | None) -> str:
    if path is not None:
        if words:
            raise click.UsageError("Give the text, or --file.")
        try:
            return path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise click.UsageError(f"{path} cannot be read ({error.strerror or error}).") from error
    return " ".join(words) if words and words != ("-",) else sys.stdin.read()


def _name() -> str:
    """Who wants it, for the audit."""
    try:
        return getuser()
    except (OSError, KeyError):  # a user that this machine has no name for
        return "human"


def _each(task_ids: tuple[str, ...], verb: str, **body: Any) -> None:
    remote = cli.remote_hive()
    body |= {"by": _name()}
    _for_each(task_ids, lambda task_id: remote.post(f"/api/tasks/{_meant(remote, task_id)}/{verb}", body))


def _change(task_ids: tuple[str, ...], **changes: Any) -> None:
    remote = cli.remote_hive()
    body = {"by": _name(), **changes}
    _for_each(task_ids, lambda task_id: remote.patch(f"/api/tasks/{_meant(remote, task_id)}", body))


def _meant(remote: Any, given: str) -> str:
    """The id of the one task that is called so, or of the only one of the last 1,000 whose id begins so; of neither,
    what was given. Raises CommandRejected where that is not certain."""
    try:
        remote.get(f"/api/tasks/{given}")
    except CommandRejected as unknown:
        if unknown.status != 404:
            raise
    else:
        return given
    meant = [str(one["task_id"]) for one in remote.get("/api/tasks", limit=1000) if one["task_id"].startswith(given)]
    if len(meant) > 1:
        some = f"{', '.join(meant[:_NAMED])}{' …' if len(meant) > _NAMED else ''}"
        raise CommandRejected(f"'{given}' may be one of {len(meant)} tasks: say which of {some}.", status=400)
    return meant[0] if meant else given


def _for_each(task_ids: tuple[str, ...], ask: Callable[[str], Any]) -> None:
    """What is refused keeps nobody else from his turn; the last refusal is what the command ends with."""
    refused: list[CommandRejected] = []
    for task_id in task_ids:
        try:
            ask(task_id)
        except CommandRejected as error:
            refused.append(error)
    for other in refused[:-1]:
        click.echo(f"deia-tui: {clean(str(other))}", err=True)
    if refused:
        raise refused[-1]


def _follow(remote: Any, task_id: str, after: int | None, *, tell: bool) -> None:
    """Until the task ended; with `tell`, what its bot answers, and beside it on standard error how it moves. Ctrl-C
    leaves the task as it is."""
    query = {} if after is None else {"after": after}
    in_line = False
    try:
        if after is not None:
            click.echo(f"· {clean(task_id)}", err=True)
        for event in remote.stream(f"/api/tasks/{task_id}/events", **query):
            if event["type"] == "output_added" and tell:
                text = clean_lines(event["text"]) if sys.stdout.isatty() else event["text"]
                in_line = in_line if not text else not text.endswith("\n")
                click.echo(text, nl=False)
            elif tell and (line := _move(event)):
                if in_line:
                    click.echo()
                in_line = False
                click.echo(f"· {clean(line)}", err=True)
    except KeyboardInterrupt:
        cli.fail(f"{task_id} goes on: 'deia-tui task show {task_id}' tells what becomes of it.")
    if in_line:
        click.echo()
    if remote.get(f"/api/tasks/{task_id}")["state"] not in _ENDED:
        raise DeiaError(f"The supervisor ended before {task_id} did: the next one goes on with it.")


def _move(event: dict[str, Any]) -> str:
    match event["type"]:
        case "task_assigned":
            return f"given to {event['bot_id']}, attempt {event['attempt']}"
        case "task_put_back":
            return f"put back: {event['reason']}"
        case "permission_asked":
            return f"asks for leave: {event['request']['title']} (see 'deia-tui approve')"
        case _:
            return ""


def _exit_as_ended(ended: list[dict[str, Any]]) -> None:
    """Exit 1 with what went wrong, unless all of them are done."""
    wrong = [one for one in ended if one["state"] != TaskState.DONE]
    for one in wrong:
        reason = f": {one['error']}" if one["error"] else ""
        click.echo(f"deia-tui: {clean(one['task_id'])} is {one['state']}{clean(reason)}", err=True)
    if wrong:
        sys.exit(cli.FAILED)
