"""Events as JSON objects and back: decides how each field is spelled, from nothing but the dataclasses themselves."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from deia_tui.core.events import Event

Json = dict[str, Any]
Kind = TypeVar("Kind")


def type_name(event_type: type) -> str:
    """BotExited → bot_exited."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event_type.__name__).lower()


TYPES: Mapping[str, type] = MappingProxyType({type_name(kind): kind for kind in get_args(Event)})
"""Every event class by the name it has in JSON."""
_NAMES = {kind: name for name, kind in TYPES.items()}


def to_json(event: Event) -> Json:
    """The event with its `type` first; nested dataclasses become objects, enums and tuples what JSON has for them."""
    return {"type": _NAMES[type(event)], **_encode_fields(event)}


def from_json(data: Mapping[str, Any]) -> Event:
    """The event that `to_json` was given. Fields of a newer version are ignored; raises ValueError with a sentence."""
    kind = TYPES.get(str(data.get("type")))
    if kind is None:
        raise ValueError(f"There is no event type {data.get('type')!r}.")
    event: Event = _decoder(kind)(data, str(data["type"]))
    return event


def decode(kind: type[Kind], data: Any) -> Kind:
    """A dataclass that an event holds, from what `encode` made of it; raises ValueError with a sentence."""
    value: Kind = _dataclass_decoder(kind)(data, kind.__name__)
    return value


def _encode_fields(value: Any) -> Json:
    return {name: encode(getattr(value, name)) for name in value.__dataclass_fields__}


def encode(value: Any) -> Any:
    """Any value that an event holds, as JSON has it."""
    match value:
        case StrEnum():
            return value.value
        case None | str() | int() | float():
            return value
        case tuple() | list():
            return [encode(item) for item in value]
        case _:
            return _encode_fields(value)


Decoder = Callable[[Any, str], Any]
"""Turns a JSON value into a field's value; the second argument is where it stands, for the error."""


@cache
def _decoder(kind: Any) -> Decoder:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _dataclass_decoder(kind)
    if origin is Literal:
        return _literal_decoder(get_args(kind))
    if origin in (Union, UnionType):
        (inner,) = (arg for arg in get_args(kind) if arg is not NoneType)
        return _optional_decoder(_decoder(inner))
    if origin is tuple:
        return _tuple_decoder(_decoder(get_args(kind)[0]))
    if issubclass(kind, StrEnum):
        return _enum_decoder(kind)
    return _scalar_decoder(kind)


def _dataclass_decoder(kind: Any) -> Decoder:
    decoders = {name: _decoder(hint) for name, hint in get_type_hints(kind).items()}
    required = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]

    def decode(value: Any, where: str) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong(where, "an object", value)
        missing = [name for name in required if name not in value]
        if missing:
            raise ValueError(f"{where} lacks {', '.join(missing)}.")
        return kind(**{name: decoders[name](value[name], f"{where}.{name}") for name in decoders if name in value})

    return decode


def _literal_decoder(allowed: tuple[Any, ...]) -> Decoder:
    def decode(value: Any, where: str) -> Any:
        if value not in allowed:
            raise _wrong(where, f"one of {', '.join(map(str, allowed))}", value)
        return value

    return decode


def _enum_decoder(kind: type[StrEnum]) -> Decoder:
    def decode(value: Any, where: str) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise _wrong(where, f"one of {', '.join(kind)}", value) from None

    return decode


def _optional_decoder(inner: Decoder) -> Decoder:
    return lambda value, where: None if value is None else inner(value, where)


def _tuple_decoder(inner: Decoder) -> Decoder:
    def decode(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong(where, "a list", value)
        return tuple(inner(item, f"{where}[{index}]") for index, item in enumerate(value))

    return decode


_SCALARS: Mapping[type, tuple[type | tuple[type, ...], str]] = {
    str: (str, "a text"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    bool: (bool, "true or false"),
}


def _scalar_decoder(kind: type) -> Decoder:
    accepted, words = _SCALARS[kind]

    def decode(value: Any, where: str) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise _wrong(where, words, value)
        return kind(value)

    return decode


def _wrong(where: str, expected: str, value: Any) -> ValueError:
    return ValueError(f"{where} must be {expected}, not {value!r:.80}.")
