"""What a run has to say: in two lines when all went well, otherwise everything one needs to find the cause."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .chronicle import Chronicle, clock
from .evidence import Evidence
from .verdicts import Finding

FINDINGS = 12
STORIES = 3
STORY_LINES = 120
WORDS = 220
BEFORE_S, AFTER_S = 3.0, 6.0

_OWN = ("message_id", "task_id")
_LONG = ("at", "type", "spec", "stderr_tail")


class Failed(AssertionError):
    """A promise was broken."""


def summary(seed: str, found: Evidence, *, what: str) -> str:
    fates = Counter(letter.fate for letter in found.letters)
    ends = Counter(message.status for message in found.messages.values())
    opened = sum(event["type"] == "hive_opened" for event in found.events)
    hosts = len({event["pid"] for event in found.events if event["type"] == "host_started"})
    runs = sum(event["type"] == "bot_spawned" for event in found.events)
    acknowledged, refused, unsure = (fates[fate] for fate in ("acknowledged", "refused", "unsure"))
    told = f"{acknowledged} messages acknowledged, {refused} refused, {unsure} without answer; "
    stored = ", ".join(f"{count} {status}" for status, count in sorted(ends.items()))
    return (
        f"seed {seed}: {what}; {opened} supervisors, {hosts} hosts, {runs} runs of bots; "
        f"{told if found.letters else ''}stored: {stored}; every promise held"
    )


def failure(seed: str, found: Evidence, findings: Sequence[Finding], chronicle: Chronicle, root: Path) -> str:
    lines = [f"seed {seed}; everything is kept in {root}, the whole chronicle in chronicle.txt there", ""]
    lines += [f"{finding.bot_id} {finding.message_id} {finding.what}".strip() for finding in findings[:FINDINGS]]
    if len(findings) > FINDINGS:
        lines.append(f"… and {len(findings) - FINDINGS} more")
    for finding in findings[:STORIES]:
        lines += ["", f"What happened around: {finding.what.splitlines()[0]}", *_story(finding, found, chronicle)]
    return "\n".join(lines)


def _story(finding: Finding, found: Evidence, chronicle: Chronicle) -> Iterator[str]:
    """What befell the bot and the message, by time, without what concerns other bots or other messages."""
    bot_id = finding.bot_id or _bot_of(finding, found)
    events = [event for event in found.events if _concerns(event, bot_id, finding.message_id)]
    marks = [
        event["at"] for event in events if finding.message_id in (event.get("message_id"), event.get("task_id")) != ""
    ]
    first = min(marks) - BEFORE_S if marks else time.time() - 30
    last = max(marks) + AFTER_S if marks else time.time()
    rows = [(event["at"], "   " + _words(event)) for event in events if first <= event["at"] <= last]
    rows += [
        (at, text) for at, text in chronicle.between(first, last) if not bot_id or bot_id in text or "BOT-" not in text
    ]
    for at, text in sorted(rows)[-STORY_LINES:]:
        yield f"{clock(at)} {text}"


def _bot_of(finding: Finding, found: Evidence) -> str:
    message, task = found.messages.get(finding.message_id), found.tasks.get(finding.message_id)
    return message.bot_id if message else task["bot_id"] if task else ""


def _concerns(event: dict[str, object], bot_id: str, message_id: str) -> bool:
    if message_id and not event.keys().isdisjoint(_OWN):
        return _is_of(event, message_id)
    return not bot_id or event.get("bot_id", bot_id) == bot_id


def _is_of(event: dict[str, object], message_id: str) -> bool:
    """Is it of this message or task, or of a message that assigns the task?"""
    ids = [str(event[name]) for name in _OWN if name in event]
    return any(one == message_id or one.rpartition(".")[0] == message_id for one in ids) if message_id else False


def _words(event: dict[str, object]) -> str:
    rest = {name: value for name, value in event.items() if name not in _LONG}
    return f"{event['type']} {rest}"[:WORDS]
