"""Tasks as `deia-tui task` prints them: a table of many, a page about one."""

from typing import Any

from deia_tui import cli
from deia_tui.core.text import clean, clean_lines, shorten
from deia_tui.core.work.tasks import ENDED, WITH_BOT

_ENDED = {str(state) for state in ENDED}
_WITH_BOT = {str(state) for state in WITH_BOT}
_TITLE = 60


def table(found: list[dict[str, Any]], now: float) -> str:
    head = ("ID", "STATE", "PRIO", "TYPE", "FOR", "BOT", "TRIES", "AGE", "TITLE")
    return cli.aligned([head, *(_row(one, now) for one in found)])


def _row(one: dict[str, Any], now: float) -> tuple[str, ...]:
    state = f"{one['state']}, held" if one["held"] and one["state"] not in _ENDED else one["state"]
    age = _age((one["ended_at"] or now) - one["created_at"])
    title = shorten(clean(one["title"]), _TITLE)
    bot = "–" if one["bot_id"] is None else clean(one["bot_id"])
    addressee = "anyone" if one["to"] is None else clean(one["to"])
    return (
        clean(one["task_id"]),
        state,
        f"P{one['priority']}",
        one["type"],
        addressee,
        bot,
        str(one["tries"]),
        age,
        title,
    )


def _age(seconds: float) -> str:
    """How long from its making to its end, or to now."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def page(one: dict[str, Any]) -> str:
    error = "" if one["state"] in _WITH_BOT else one["error"]  # that of the try before stands among the attempts
    facts = [
        ("task", one["task_id"]),
        ("title", one["title"]),
        ("state", f"{one['state']}{' · ' + error if error else ''}"),
        ("waits", one["waits_for"].removeprefix("waits ") or (one["held"] and f"for its release ({one['held']})")),
        ("priority", f"P{one['priority']} · {one['type']}"),
        ("from", f"{one['sender']}{' · ' + one['source'] if one['source'] else ''}"),
        ("for", one["to"] or "anyone"),
        ("after", ", ".join(f"{task_id} ({state})" for task_id, state in one["needs"].items())),
        ("would go to", ", ".join(f"{bot['bot_id']} {bot['score']:.2f}" for bot in one["choice"])),
        ("because", "; ".join(one["reasons"])),
        ("used", _used(one)),
        ("answer", one["response"] and f"hive/responses/{one['response']}"),
    ]
    lines = [f"{name:<12} {clean(str(value))}" for name, value in facts if value]
    lines += ["", clean_lines(one["text"]).rstrip()]
    if one["attempts"]:
        head = ("ATTEMPT", "BOT", "OUTCOME", "TOOK", "CONFIDENCE", "WHY")
        lines += ["", cli.aligned([head, *(_attempt(attempt) for attempt in one["attempts"])])]
    if one["output"]:
        lines += ["", clean_lines(one["output"]).rstrip()]
    return "\n".join(lines)


def _attempt(attempt: dict[str, Any]) -> tuple[str, ...]:
    began, ended = attempt["started_at"], attempt["ended_at"]
    took = "–" if began is None or ended is None else f"{ended - began:.1f} s"
    outcome = f"{attempt['outcome'] or 'under way'}{': ' + attempt['error'] if attempt['error'] else ''}"
    sure = "–" if attempt["confidence"] is None else f"{attempt['confidence']:.0%}"
    why = "; ".join(attempt["reasons"])
    return (str(attempt["attempt"]), attempt["bot_id"], clean(outcome), took, sure, clean(why))


def _used(one: dict[str, Any]) -> str:
    if one["tokens_in"] is None:
        return ""
    cost = "" if one["cost_usd"] is None else f" · ${one['cost_usd']:.4f}"
    return f"{one['tokens_in']:.0f} tokens in, {one['tokens_out']:.0f} out{cost}"
