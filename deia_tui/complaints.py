"""Reads a TOML file as a model, and says in words, with line and field, everything in it that does not fit."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deia_tui.core.errors import ConfigError

MOST_SHOWN = 10

Model = TypeVar("Model", bound=BaseModel)


def read(path: Path, model: type[Model], complaints: list[str]) -> Model | None:
    """None, and one complaint more for everything that is wrong, where the file does not fit."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        complaints.append(f"{path} cannot be read: it is no file.")  # a pipe would keep us waiting for ever
        return None
    try:
        text = path.read_text("utf-8-sig")
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        complaints.append(f"{path}: {_in_words(str(error), text)}.")
    except (OSError, UnicodeDecodeError) as error:
        complaints.append(f"{path} cannot be read: {error}.")
    except RecursionError:
        complaints.append(f"{path} is nested too deeply to be read.")
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        complaints += (_explain(path, text, model, found) for found in wrong if not _follows_from_another(found, wrong))
    return None


def read_toml(path: Path, model: type[Model]) -> Model:
    """Raises ConfigError with everything that is wrong in this one file."""
    complaints: list[str] = []
    found = read(path, model, complaints)
    if found is None:
        raise ConfigError(together(complaints))
    return found


def together(complaints: list[str]) -> str:
    """One sentence of them all."""
    shown = complaints[:MOST_SHOWN]
    more = [f"and {len(complaints) - len(shown)} more"] if len(complaints) > len(shown) else []
    return " · ".join([*shown, *more])


def _in_words(reason: str, text: str) -> str:
    """What the TOML reader says, for people: it shows keys as Python tuples, or not at all."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", reason)
    lines = text.rstrip().splitlines()
    line = lines[min(int(place[1]), len(lines)) - 1 if place and place[1] else -1] if lines else ""
    end = place[0] if place else ""
    key = line.partition("=")[0].strip()
    if found := re.match(r"Cannot (declare|redefine namespace|mutate immutable namespace) \((.+?),?\)", reason):
        name = ".".join(re.findall(r"'([^']*)'", found[2]))
        if found[1] == "declare":
            return f"[{name}] stands here a second time: put all its lines under the first{end}"
        return f"{name} was given before as a whole: put this line there{end}"
    if reason.startswith("Cannot overwrite a value") and key:
        return f"{key} is set a second time here: keep one{end}"
    if found := re.match(r"Duplicate inline table key '([^']*)'", reason):
        return f"{found[1]} is set a second time here: keep one{end}"
    return reason


def _follows_from_another(error: ErrorDetails, wrong: list[ErrorDetails]) -> bool:
    """A misspelt key explains a missing one."""
    return error["type"] == "missing" and any(
        other["type"] == "extra_forbidden" and other["loc"][:-1] == error["loc"][:-1] for other in wrong
    )


def _explain(path: Path, text: str, model: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong, as `FILE, line N: field: reason`."""
    where = tuple(str(part) for part in error["loc"] if part != "[key]")
    field = ".".join(where) or "file"
    line = _line_of(text, where)
    place = f"{path}, line {line}" if line else str(path)
    if error["type"] == "extra_forbidden":
        known = difflib.get_close_matches(where[-1], _fields_at(model, where[:-1]), n=1, cutoff=0.5)
        hint = f"; did you mean '{known[0]}'?" if known else "; remove it"
        return f"{place}: {field}: there is no such setting{hint}"
    reason = error["msg"].removeprefix("Value error, ")
    return f"{place}: {field}: {reason[:1].lower()}{reason[1:]} (it is {error['input']!r})"[:400]


def _fields_at(model: type[BaseModel], where: tuple[str, ...]) -> list[str]:
    """The settings one may write in the table `where`."""
    current: Any = model
    for part in where:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            annotation = current.model_fields[part].annotation
            current = annotation
        else:
            inner = getattr(current, "__args__", ())
            current = inner[-1] if inner else None
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _line_of(text: str, where: tuple[str, ...]) -> int | None:
    """The line on which the setting at `where` stands: its key in its table, else the table's header."""
    table: tuple[str, ...] = ()
    header_line = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = tuple(
                part.strip().strip("\"'") for part in re.split(r"\.(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", header[1])
            )
            if where[: len(table)] == table:
                header_line = number
        elif key := re.match(r"\s*[\"']?([A-Za-z0-9_.-]+)[\"']?\s*=", line):
            path = (*table, *key[1].split("."))
            if path == where[: len(path)] and len(path) > len(table):
                return number
    return header_line
