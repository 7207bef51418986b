"""Which parts of the JSON lines that a program prints are what, by paths that the operator declares.

    text = "item[type=agent_message].text"        the text of an item whose type is agent_message
    error = "error.message | [type=error].message"  the first of these that is there

A path is names (or numbers, within lists) with dots between them; `[name=value]` goes on only where that is so.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

NAMES = {
    "text": "a piece of the answer",
    "message": "a whole message of the answer, set apart from the one before",
    "thought": "a piece of what it thinks",
    "error": "why the turn failed, unless text follows",
    "session": "by what the conversation can be resumed",
    "model": "which model answered",
    "input_tokens": "tokens, without those of the cache",
    "total_input_tokens": "tokens, with those read from the cache",
    "output_tokens": "tokens",
    "cache_read_tokens": "tokens",
    "cache_write_tokens": "tokens",
    "cost_usd": "what the agent says it cost",
}
"""Everything that can be picked."""

_STEP = re.compile(r"(?P<name>[^.\[\]|]+)|\[(?P<key>[^\[\]=|]+)=(?P<value>[^\[\]|]*)\]")


class _Step(NamedTuple):
    """Go on to `name`, or only where `key` is `value`."""

    name: str
    key: str
    value: str


Path = tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class Picker:
    """Made by `picker`."""

    paths: Mapping[str, tuple[Path, ...]]

    def pick(self, value: Any) -> dict[str, Any]:
        """What one line says, by name: texts and numbers that are there and not empty."""
        found = {}
        for name, paths in self.paths.items():
            values = (_follow(value, path) for path in paths)
            picked = next((item for item in values if isinstance(item, str | int | float) and item != ""), None)
            if picked is not None and not isinstance(picked, bool):
                found[name] = picked
        return found


def picker(fields: Iterable[tuple[str, str]]) -> Picker:
    """Raises ValueError with a sentence for a name or a path that is none."""
    paths = {}
    for name, text in fields:
        if name not in NAMES:
            raise ValueError(f"there is no field '{name}': known are {', '.join(NAMES)}")
        paths[name] = tuple(map(_path, text.split("|")))
    return Picker(paths)


def _path(text: str) -> Path:
    text, steps, at = text.strip(), [], 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"'{text}' is no path: write names with dots between them, or [name=value]")
        steps.append(_Step(step["name"] or "", step["key"] or "", step["value"] or ""))
        at = step.end() + (text[step.end() : step.end() + 1] == ".")
    if not steps:
        raise ValueError("a path is empty")
    return tuple(steps)


def _follow(value: Any, path: Path) -> Any:
    for step in path:
        if step.key:
            if not isinstance(value, dict) or str(value.get(step.key)) != step.value:
                return None
        else:
            value = _inner(value, step.name)
    return value


def _inner(value: Any, name: str) -> Any:
    match value:
        case dict():
            return value.get(name)
        case list() if re.fullmatch(r"-?\d{1,6}", name) and -len(value) <= int(name) < len(value):
            return value[int(name)]
        case _:
            return None
