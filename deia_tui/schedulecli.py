"""The commands `task stats`, `task recommend` and `task forget`: what the scheduler has learned of the bots."""

import json
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.text import clean


@click.command()
@click.argument("bot_id", required=False, metavar="[BOT]")
@click.option("--export", "export", is_flag=True, help="All of it, as JSON, one object for each bot and type.")
@cli.json_option
@cli.command
def stats(bot_id: str | None, export: bool, as_json: bool) -> None:
    """Show how the bots, or BOT alone, do each type of task. Newer results count more."""
    remote = cli.remote_hive()
    if export:
        click.echo(json.dumps(remote.get("/api/scheduling/export"), indent=2, ensure_ascii=False))
        return
    route = "/api/scheduling/bots"
    found = remote.get(route) if bot_id is None else remote.get(f"{route}/{bot_id}")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(_table(found if isinstance(found, list) else [found]))


@click.command()
@cli.json_option
@cli.command
def recommend(as_json: bool) -> None:
    """Show which bot seems best at which type of task."""
    found = cli.remote_hive().get("/api/scheduling/recommendations")
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif not found:
        click.echo("Nothing is known yet: bots are tried as tasks come.")
    else:
        rows = [
            (one["task_type"], one["bot_id"], f"{one['confidence']:.0%}", clean(one["reason"]), _others(one))
            for one in found
        ]
        click.echo(cli.aligned([("TYPE", "BOT", "SURE", "WHY", "THEN"), *rows]))


@click.command()
@click.argument("bot_id", metavar="BOT")
@cli.json_option
@cli.command
def forget(bot_id: str, as_json: bool) -> None:
    """Forget how BOT did its tasks: it is tried anew."""
    answer = cli.remote_hive().post(f"/api/scheduling/reset/{bot_id}")
    click.echo(json.dumps(answer) if as_json else f"{clean(bot_id)} is tried anew.")


COMMANDS = (stats, recommend, forget)


def _table(bots: list[dict[str, Any]]) -> str:
    head = ("BOT", "TYPE", "RESULTS", "DONE", "EACH", "TOKENS", "SCORE", "TREND")
    rows = [
        (
            *(bot["bot_id"], kind, str(known["samples"]), f"{known['success_rate']:.0%}"),
            *(f"{known['duration_s']:.1f} s", f"{known['tokens']:.0f}", f"{known['score']:.2f}", known["trend"]),
        )
        for bot in bots
        for kind, known in bot["types"].items()
    ]
    if not rows:
        return "No task has been done, or failed, yet."
    odd = [f"{bot['bot_id']}: {clean(text)}" for bot in bots for text in bot["odd"]]
    return "\n".join([cli.aligned([head, *rows]), *odd])


def _others(one: dict[str, Any]) -> str:
    return ", ".join(other["bot_id"] for other in one["candidates"] if other["bot_id"] != one["bot_id"])
