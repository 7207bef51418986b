"""The work of a task storm, drawn from a seed: what is to be done, for whom, how urgent, and in which way it comes."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")
Kind = Literal["good", "flaky", "failing", "poison"]
Way = Literal["door", "file", "strange", "letter"]
"""Over HTTP, as a file that is a task, as a file that may be none, or as a message from another bot."""
_KINDS: tuple[tuple[Kind, int], ...] = (("good", 86), ("flaky", 8), ("failing", 4), ("poison", 2))
_WAYS: tuple[tuple[Way, int], ...] = (("door", 50), ("file", 39), ("strange", 3), ("letter", 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`label` is its task's or message's id where it comes over HTTP. `to` is a bot or ""; `folder` is the one below
    hive/tasks it is laid into ("." for anyone's) as `file`."""

    label: str
    kind: Kind
    way: Way
    to: str
    priority: int
    text: str
    after: tuple[str, ...] = ()
    folder: str = ""
    file: str = ""


def draw(dice: random.Random, count: int, bots: Sequence[str]) -> Iterator[Order]:
    """As many orders; those after others come after them."""
    sure: list[str] = []
    for number in range(1, count + 1):
        way = _choice(dice, _WAYS)
        label = f"{'L' if way == 'letter' else 'T'}-{number:04}"
        kind = _choice(dice, _KINDS)
        to = dice.choice(bots) if way == "letter" or dice.random() < 0.4 else ""
        priority = dice.choices(range(4), (1, 2, 5, 2))[0]
        line = f"ORDER {label} {kind} {dice.choice((0, 1, 5, 20))} {dice.choice((0.0, 0.005, 0.02))}"
        if way == "letter":
            urgent = min(priority, 2)  # the least urgent waits as long as the machine is strained
            yield Order(label=label, kind=kind, way=way, to=to, priority=urgent, text=line)
            continue
        if way == "door":
            after = tuple(dice.sample(sure, dice.randint(1, 2))) if len(sure) > 5 and dice.random() < 0.15 else ()
            yield Order(label=label, kind=kind, way=way, to=to, priority=priority, text=line, after=after)
            if kind == "good":
                sure.append(label)
            continue
        written = _written if way == "file" else _strange
        file, text = written(dice, label, line, to, priority)
        folder = to if to and dice.random() < 0.7 else "."
        yield Order(label=label, kind=kind, way=way, to=to, priority=priority, text=text, folder=folder, file=file)


def _written(dice: random.Random, label: str, line: str, to: str, priority: int) -> tuple[str, str]:
    """The name and the body of a task file, in one of the ways in which people write them."""
    day = f"2026-01-{dice.randint(1, 28):02}"
    match dice.randrange(5):
        case 0:
            name = f"{day}-0930-Q33N-{to or 'ALL_AGENTS'}-TASK-{label}.md"
            body = f"---\nfrom: Q33N\nto: {to or 'ALL_AGENTS'}\npriority: P{priority}\ntype: code\n---\n\n{line}\n"
        case 1:
            name = f"{day}-0930-HUMAN-{to or 'ALL_AGENTS'}-TASK-{label}.md"
            body = f"**From:** HUMAN\n**To:** {to or 'ALL_AGENTS'}\n**Priority:** P{priority} - as it says\n\n{line}\n"
        case 2:
            name = f"{day}-0930-Q33N-{to or 'ALL_AGENTS'}-TASK-{label}.json"
            about = {"to": to or "ALL_AGENTS", "status": "queued", "priority": f"P{priority}", "description": line}
            body = json.dumps({"from": "Q33N", **about})
        case 3:
            name, body = f"20260124_145604-P{priority}-{label}.md", f"\ufeff{line}\r\n"
        case _:
            name, body = f"{label} with ümlauts & blanks.md", f"# {label}\n\n{line}\n"
    return name, body


def _strange(dice: random.Random, label: str, line: str, to: str, priority: int) -> tuple[str, str]:
    """What must not stop anybody: it is refused with a reason, or done."""
    match dice.randrange(5):
        case 0:
            return f"2026-01-01-0930-{to or 'BOT-001'}-Q33N-RESPONSE-{label}.md", "a report, and no work\n"
        case 1:
            return f"2026-01-01-0930-Q33N-BOT-999-TASK-{label}.md", f"{line}\n"
        case 2:
            return f"{label}-empty.md", ""
        case 3:
            return f"2026-01-01-0930-Q33N-{to or 'ALL_AGENTS'}-TASK-{label}.json", '{"torn": '
        case _:
            return f"{label}-loose-front.md", f"---\npriority: [P{priority}\n---\n{line}\n"


def _choice(dice: random.Random, weighted: Sequence[tuple[T, int]]) -> T:
    return dice.choices([what for what, _ in weighted], [weight for _, weight in weighted])[0]
