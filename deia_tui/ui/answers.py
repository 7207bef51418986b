"""What an operator's keys answer to a request for leave: an agent says which answers it takes, and not every one takes
all."""

from typing import Literal

from deia_tui.core.turns import OptionKind, PermissionRequest

Wish = Literal["once", "always", "deny"]

_KINDS: dict[Wish, tuple[OptionKind, ...]] = {
    "once": ("allow_once",),
    "always": ("allow_always",),
    "deny": ("reject_once", "reject_always"),
}
_KEYS: dict[Wish, str] = {"once": "a allow once", "always": "A always", "deny": "d deny · D with a word"}


def option(request: PermissionRequest, wish: Wish) -> OptionKind | None:
    """The answer that a wish means to this agent; None if it does not take one. Nothing is ever allowed for longer than
    was wished."""
    offered = {option.kind for option in request.options}
    return next((kind for kind in _KINDS[wish] if kind in offered), None)


def keys(request: PermissionRequest) -> str:
    """The keys that answer it."""
    return " · ".join(text for wish, text in _KEYS.items() if option(request, wish) is not None)


def refusal(wish: Wish) -> str:
    match wish:
        case "once":
            return "This agent cannot be allowed it just once: A allows it always, d denies it."
        case "always":
            return "This agent cannot be allowed it for always: a allows it once, d denies it."
        case "deny":
            return "This agent takes no denial: i interrupts it."
