"""The command `cost`: what the bots used, and what it cost."""

import json
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.text import clean


@click.command()
@click.option("--bot", "bot_id", help="Only of this bot.")
@click.option("--days", default=1, show_default=True, type=click.IntRange(1, 36_600), help="Days (UTC), with today.")
@cli.json_option
@cli.command
def cost(bot_id: str | None, days: int, as_json: bool) -> None:
    """Show what the bots used and cost, by day, bot and model."""
    query: dict[str, Any] = {"days": days} if bot_id is None else {"days": days, "bot_id": bot_id}
    found = cli.remote_hive().get("/api/cost", **query)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(_bill(found) if found["days"] else "Nobody has reported any use.")


def _bill(found: dict[str, Any]) -> str:
    head = ("DAY", "BOT", "MODEL", "IN", "OUT", "CACHE READ", "CACHE WRITE", "USD")
    total = {"day": "total", "bot_id": "", "model": "", **found["total"]}
    body = [
        (
            *(row["day"], row["bot_id"], clean(row["model"])),
            *(str(row[f"{kind}_tokens"]) for kind in ("input", "output", "cache_read", "cache_write")),
            _usd(row),
        )
        for row in (*found["days"], total)
    ]
    lines = cli.aligned([head, *body])
    return f"{lines}\n* without what has no price in .deia/prices.toml" if found["total"]["unpriced"] else lines


def _usd(row: dict[str, Any]) -> str:
    return f"{row['cost_usd']:.4f}{'*' if row['unpriced'] else ''}"
