"""The command `metrics`: how the bots did in the last hour, beside the last 24."""

import json
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.text import clean


@click.command()
@click.option("--bot", "bot_id", help="Only this bot, line by line.")
@cli.json_option
@cli.command
def metrics(bot_id: str | None, as_json: bool) -> None:
    """Show how the bots did: last hour │ last 24 h."""
    found = cli.remote_hive().get("/api/metrics/summary")
    if bot_id is not None and bot_id not in found["bots"]:
        cli.fail(f"{bot_id} did nothing in the last 24 h: see 'deia-tui status'.", cli.USAGE)
    if as_json:
        click.echo(json.dumps(found if bot_id is None else found["bots"][bot_id], indent=2, ensure_ascii=False))
    else:
        click.echo(_table(found) if bot_id is None else _page(found["bots"][bot_id]))
        if bot_id is None:
            click.echo(f"\nthe hive's API  {_pair(found['total'], 'api_latency_ms')} ms (p50/p95/p99)")


_COLUMNS = (
    ("MSG/MIN", "messages_per_minute"),
    ("CALLS", "calls"),
    ("FAILED", "calls_failed"),
    ("ANSWER ms p50/p95/p99", "latency_ms"),
    ("TASKS", "tasks_done"),
    ("FAILED", "tasks_failed"),
    ("TASK s p50/p95/p99", "task_latency_s"),
    ("USD", "cost_usd"),
    ("UP %", "uptime_percent"),
)


def _table(found: dict[str, Any]) -> str:
    head = ("BOT", *(name for name, _ in _COLUMNS))
    rows = [*sorted(found["bots"].items()), ("total", found["total"])]
    return cli.aligned([head, *((clean(name), *(_pair(spans, key) for _, key in _COLUMNS)) for name, spans in rows)])


def _page(spans: dict[str, Any]) -> str:
    names = spans["day"] or spans["hour"]
    return cli.aligned(
        [("", "HOUR", "DAY"), *((name, _cell(spans["hour"], name), _cell(spans["day"], name)) for name in names)]
    )


def _pair(spans: dict[str, Any], key: str) -> str:
    return f"{_cell(spans['hour'], key)} │ {_cell(spans['day'], key)}"


def _cell(figures: dict[str, Any] | None, key: str) -> str:
    value = None if figures is None else figures[key]
    match value:
        case None:
            return "–"
        case {"p50": None}:
            return "–"
        case {"p50": p50, "p95": p95, "p99": p99}:
            return "/".join(f"{time:.4g}" for time in (p50, p95, p99))
        case dict():
            return clean(", ".join(f"{name}: {count}" for name, count in value.items())) or "–"
        case float():
            return f"{value:.4g}"
        case _:
            return str(value)
