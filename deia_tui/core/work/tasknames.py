"""What the name of a task file tells: who sends it, for whom it is, how urgent, what kind of paper. It is tolerant:
what it does not understand belongs to the subject. Ids of bots contain dashes, so known ones are looked for.

    2026-01-31-0930-Q33N-BOT-001-TASK-fix-the-login.md      FROM-TO-TYPE-subject
    2025-10-25-2053-000-001-HARDENING-START-NOW.md          000 is Q33N, 001 is BOT-001
    TASK-002-003-P1-inventory.md                            the third task for BOT-002
    20251024_145604-P1-test-task.md
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from deia_tui.core.work.tasks import HUMAN, URGENT, TaskType

QUEEN = "Q33N"
ANYONE = frozenset({"ALL_AGENTS", "ALL-AGENTS", "ALL", "ANYONE"})
WORK = frozenset({"TASK", "ASSIGNMENT", "URGENT", "DELEGATION", "QUERY"})
NEWS = frozenset({"RESPONSE", "SYNC", "ALERT", "DECISION", "REPORT"})
"""Papers that tell something and ask for nothing: a hive that did them as tasks would answer its own answers."""
KINDS = WORK | NEWS

_DATE = re.compile(r"(\d{4}-\d\d-\d\d(-\d{4}(\d\d)?)?|\d{8}[_-]\d{4}(\d\d)?)-")
_PRIORITY = re.compile(r"(?:^|-)P([0-3])(?=-|$)")
_NUMBER = re.compile(r"\d{3}")
_SENDERS = frozenset({QUEEN, HUMAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a name or a text says of its task; None or "" is silence, but `to` = "" is anyone."""

    sender: str = ""
    to: str | None = None
    priority: int | None = None
    kind: str = ""
    task_type: TaskType | None = None
    task_id: str | None = None
    after: tuple[str, ...] = ()
    title: str = ""

    def or_else(self, other: "Told") -> "Told":
        """This, and of the other what is not said here."""
        return Told(
            sender=self.sender or other.sender,
            to=other.to if self.to is None else self.to,
            priority=other.priority if self.priority is None else self.priority,
            kind=self.kind or other.kind,
            task_type=self.task_type or other.task_type,
            task_id=self.task_id or other.task_id,
            after=self.after or other.after,
            title=self.title or other.title,
        )


def party(name: str, known: frozenset[str]) -> str:
    """Who is meant by an id, in whatever case, or by the number that stood for it in former times; "" is anyone."""
    if _NUMBER.fullmatch(name):
        return QUEEN if name == "000" else f"BOT-{name}"
    if name.upper() in ANYONE:
        return ""
    return next((bot_id for bot_id in known if bot_id.lower() == name.lower()), name)


def read_name(stem: str, known: frozenset[str]) -> Told:
    """`stem` is the file's name without its ending, `known` are the ids of the bots there are."""
    dated = _DATE.match(stem)
    rest = stem[dated.end() :] if dated else stem
    found = None
    for grammar in _grammars(known, dated is not None):
        found = found or grammar.match(rest)
    parts = found.groupdict() if found else {}
    first, second, title = parts.get("first"), parts.get("second"), parts.get("title", rest) or ""
    if first and not second and party(first, known) in _SENDERS:
        sender, to = first, None
    elif first and not second:
        sender, to = "", first
    else:
        sender, to = first or "", second
    kind = parts.get("kind") or ""
    urgent = _PRIORITY.search(rest)
    return Told(
        sender=party(sender, known),
        to=None if to is None else party(to, known),
        priority=int(urgent[1]) if urgent else URGENT if kind == "URGENT" else None,
        kind=kind,
        title=_PRIORITY.sub("", title).replace("-", " ").strip(" _"),
    )


@lru_cache(maxsize=8)
def _grammars(known: frozenset[str], dated: bool) -> tuple[re.Pattern[str], ...]:
    """The shapes of a name after its date, the most certain first. Bare numbers are parties behind a date, in pairs."""
    ids = "|".join(re.escape(name) for name in sorted(known | ANYONE | _SENDERS, key=len, reverse=True))
    who, kind = rf"(?:{ids}|BOT-\d{{3,}})(?![^-])", rf"(?P<kind>{'|'.join(sorted(KINDS))})(?![^-])"
    numbers = "|".join(sorted(bot_id[4:] for bot_id in known if re.fullmatch(r"BOT-\d{3}", bot_id))) or r"(?!)"
    shapes = [
        rf"(?:(?P<first>.+?)-)??(?P<second>{who})-{kind}-?(?P<title>.*)",
        rf"(?P<kind>TASK)-(?P<second>{numbers})-\d{{3}}(?![^-])-?(?P<title>.*)",
        rf"{kind}-(?P<second>{who})-?(?P<title>.*)",
        rf"(?P<first>{who})-(?P<second>{who})-?(?P<title>.*)",
        rf"(?:(?P<first>{who})-)?{kind}-?(?P<title>.*)",
        rf"(?P<first>{who})-?(?P<title>.*)",
    ]
    if dated:
        number = rf"(?:\d{{3}}(?![^-])|{who})"
        pair = rf"(?P<first>{number})-(?P<second>{number})(?:-\d{{3}}(?![^-]))*(?:-{kind})?-?(?P<title>.*)"
        shapes[1:1] = [pair, r"(?P<first>000)(?![^-])-?(?P<title>.*)"]
    return tuple(re.compile(shape, re.DOTALL) for shape in shapes)
