"""What a task file says, as a command for the queue: its front matter before its bold headers before its name. Tolerant
of what people and other programs write (a BOM, CRLF, unknown keys, no headers at all); what makes no task is refused
with a sentence that says why.

Times in a file are not believed: a task has waited since the hive knows it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from deia_tui.core.commands import AddTask
from deia_tui.core.errors import CommandRejected
from deia_tui.core.ids import is_task_id
from deia_tui.core.text import clean, shorten
from deia_tui.core.work.tasknames import KINDS, NEWS, Told, party, read_name
from deia_tui.core.work.tasks import HUMAN, NORMAL, PRIORITIES, TaskType

MAX_TITLE = 120
MAX_SENDER = 64
MAX_FRONT_MATTER = 64 * 1024
TEXT_KEYS = ("text", "content", "command", "task", "prompt", "description", "body", "message", "instructions")
"""Where the JSON tasks of other programs have what is to be done."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?)(?<=\n)(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_HEADER = re.compile(r"(?:[-*] +)?\*\*([^*:\n]{1,40})(?::\*\*|\*\*:)(.*)")
_NO_PROSE = re.compile(r"#|-{3,}|\*{3,}|={3,}|$")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_LISTED = re.compile(r"[,;\s]+")
_TYPES = {str(task_type): task_type for task_type in TaskType}
_WORDS = {"urgent": 0, "critical": 0, "emergency": 0, "high": 1, "normal": 2, "medium": 2, "low": 3}
_NAMES = {
    "from": "sender",
    "sender": "sender",
    "to": "to",
    "assigned_to": "to",
    "bot_id": "to",
    "task_id": "task_id",
    "id": "task_id",
    "priority": "priority",
    "type": "type",
    "task_type": "type",
    "after": "after",
    "depends_on": "after",
    "title": "title",
    "subject": "title",
}

Headers = dict[str, Sequence[str]]


def read_task(name: str, data: bytes, *, known: frozenset[str], folder: str = "", source: str = "") -> AddTask:
    """The task in a file. `known` are the ids of the bots there are, `folder` is the bot in whose folder the file lies:
    then it is for that one, whatever it says. Raises CommandRejected (422) with a sentence, and nothing else."""
    stem, _, ending = name.rpartition(".")
    text = _decoded(data)
    headers, text = _of_json(text) if ending.lower() == "json" else _of_markdown(text)
    written, named = _told(headers, known), read_name(stem or name, known)
    told = written.or_else(named)
    if not text.strip():
        raise _refusal("It is empty: write down what is to be done.")
    if told.kind in NEWS:
        raise _refusal(f"It is a {told.kind}, which asks for no work: write TASK in its place if it does.")
    return AddTask(
        text=text.strip("\n"),
        title=_title(written.title, text, named.title),
        task_id=told.task_id,
        sender=told.sender or HUMAN,
        to=folder or _addressee(told.to or "", known),
        priority=NORMAL if told.priority is None else told.priority,
        task_type=told.task_type,
        after=told.after,
        source=source,
    )


def _refusal(sentence: str) -> CommandRejected:
    return CommandRejected(sentence, status=422)


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refusal("It is no UTF-8 text: save it as UTF-8.") from None
    if "\0" in text:
        raise _refusal("It has NUL bytes in it, as no text has: save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Headers and text


def _of_markdown(text: str) -> tuple[Headers, str]:
    front = _FRONT_MATTER.match(text)
    headers = _front_matter(front[1]) if front else {}
    if front and not _NAMES.keys().isdisjoint(headers):  # otherwise it is prose between two rules
        text = text[front.end() :]
    return {**_bold_headers(text), **headers}, text


def _front_matter(text: str) -> Headers:
    """The keys with a word or a list of words; nothing for what is no mapping.

    Only the events of the parser are looked at. Nothing is built of them, so neither aliases nor depth cost anything,
    and every word stays as it was written.
    """
    if len(text) > MAX_FRONT_MATTER:
        raise _refusal(f"Its front matter has more than {MAX_FRONT_MATTER // 1024} KiB: leave only the headers in it.")
    nodes: list[list[str]] = []  # keys and values in turn
    inner: list[str] = []
    depth, listed = 0, False
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            match event:
                case yaml.CollectionStartEvent():
                    depth += 1
                    if depth == 1 and not isinstance(event, yaml.MappingStartEvent):
                        return {}
                    if depth == 2:
                        inner, listed = [], isinstance(event, yaml.SequenceStartEvent)
                case yaml.CollectionEndEvent():
                    depth -= 1
                    if depth == 1:
                        nodes.append(inner)
                case yaml.ScalarEvent() if depth == 1:
                    nodes.append([_word(event)])
                case yaml.ScalarEvent() if depth == 2 and listed:
                    inner.append(_word(event))
                case yaml.AliasEvent() if depth == 1:
                    nodes.append([])
    except yaml.YAMLError as error:
        raise _refusal(f"Its front matter is no YAML ({_why(error)}): mend it.") from None
    return {_key(key[0]): value for key, value in zip(nodes[::2], nodes[1::2], strict=True) if key and value}


def _word(event: yaml.ScalarEvent) -> str:
    return "" if event.implicit[0] and event.value in ("~", "null", "Null", "NULL") else str(event.value)


def _why(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return clean(f"line {mark.line + 2}: {problem}" if mark else str(problem))


def _bold_headers(text: str) -> Headers:
    """Those above the first line of prose."""
    found: Headers = {}
    for line in text.splitlines():
        line = line.strip()
        if header := _HEADER.match(line):
            found.setdefault(_key(header[1]), (header[2].strip(),))
        elif not _NO_PROSE.match(line):
            break
    return found


def _of_json(text: str) -> tuple[Headers, str]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal("It is no JSON: mend it, or write the task as Markdown.") from None
    if not isinstance(row, Mapping):
        raise _refusal("It is no JSON object: write a task as one.")
    values: dict[str, Any] = {_key(key): value for key, value in row.items()}
    status = values.get("status", "queued")
    if status not in ("queued", "pending", "new"):
        raise _refusal(f"Its status is '{shorten(clean(str(status)), 40)}': only queued tasks are done.")
    texts = (values[key] for key in TEXT_KEYS if isinstance(values.get(key), str))
    said = next((text for text in texts if text.strip()), None)
    if said is None:
        raise _refusal("It has no text: say under 'text' what is to be done.")
    return {key: words for key, value in values.items() if (words := _words(value)) is not None}, said


def _words(value: Any) -> Sequence[str] | None:
    match value:
        case bool() | None:
            return None
        case str() | int() | float():
            return (str(value),)
        case list():
            return tuple(str(item) for item in value if isinstance(item, str | int))
        case _:
            return None


def _key(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


# What they mean


def _told(headers: Headers, known: frozenset[str]) -> Told:
    found: dict[str, Sequence[str]] = {}
    for key, words in headers.items():
        if (name := _NAMES.get(key)) and any(word.strip() for word in words):
            found[name] = words
    first = {name: words[0].strip() for name, words in found.items()}
    kind, task_type = _kind(first.get("type", ""))
    return Told(
        sender=_sender(first.get("sender", ""), known),
        to=_to(found["to"], known) if "to" in found else None,
        priority=_priority(first.get("priority", "")),
        kind=kind,
        task_type=task_type,
        task_id=_task_id(first["task_id"]) if "task_id" in found else None,
        after=tuple(map(_task_id, _listed(found.get("after", ())))),
        title=first.get("title", ""),
    )


def _listed(words: Iterable[str]) -> Iterable[str]:
    """Each once; in a line of their own they are divided by commas or spaces."""
    return dict.fromkeys(part for word in words for part in _LISTED.split(word.strip("[] ")) if part)


def _task_id(text: str) -> str:
    if not is_task_id(text):
        raise _refusal(
            f"'{shorten(clean(text), 40)}' cannot name a task: use 1 to 100 letters, digits, '.', '-' or '_', "
            "starting with a letter or digit."
        )
    return text


def _sender(text: str, known: frozenset[str]) -> str:
    """A remark in brackets is none of it."""
    return shorten(clean(party(text.partition("(")[0].strip(), known)), MAX_SENDER)


def _to(words: Sequence[str], known: frozenset[str]) -> str:
    names = [party(name, known) for name in _listed([", ".join(words).partition("(")[0]])]
    if len(names) > 1:
        raise _refusal("It is for more than one bot: give each a file of its own, or write ALL_AGENTS for any of them.")
    return names[0] if names else ""


def _addressee(to: str, known: frozenset[str]) -> str:
    if to and to not in known:
        raise _refusal(
            f"It is for {shorten(clean(to), 40)}, and there is no such bot: launch it, or name another, then move this "
            "file back."
        )
    return to


def _priority(text: str) -> int | None:
    """P0 to P3, a bare number, or a word for one; None for what is none."""
    word = re.match(r"\W*(?:[pP]?([0-9])\b|([a-zA-Z]+))", text)
    if word is None:
        return None
    if word[1]:
        return int(word[1]) if int(word[1]) in PRIORITIES else None
    return _WORDS.get(word[2].lower())


def _kind(text: str) -> tuple[str, TaskType | None]:
    """A `type` is a kind of paper or a type of work: people write either."""
    word = text.partition(" ")[0]
    if word.upper() in KINDS:
        return word.upper(), None
    return "", _TYPES.get(word.lower())


def _title(written: str, text: str, named: str) -> str:
    """What a header says, else the first heading, else the name, else the first line."""
    heading = _HEADING.search(text)
    first = next(line for line in text.splitlines() if line.strip())
    return shorten(clean(written or (heading[1] if heading else named or first)).strip(), MAX_TITLE)
