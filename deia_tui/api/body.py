"""What bodies of requests have in common, and how refusals are documented."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from deia_tui.core.work.tasks import read_priority

_SENTENCES = {
    400: "A task cannot wait for itself: leave it out of 'after'.",
    403: "BOT-001 is a bot: it may look and write messages, and leaves this to humans.",
    404: "There is no task 'sweep-42'.",
    409: "The task 'sweep-42' is done: there is nothing to cancel.",
    422: "Bad request: text: Field required.",
    429: "Bot busy, please wait: 10 tasks wait for BOT-001 alone.",
    503: "The supervisor is still starting: try again in a moment.",
}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _priority(given: object) -> object:
    return read_priority(str(given)) if isinstance(given, str | int) and not isinstance(given, bool) else given


Priority = Annotated[
    int, BeforeValidator(_priority), Field(strict=True, examples=["P1"], description="0 to 3, or P0 to P3")
]
"""Of tasks and of messages between bots."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses` of a route: each says in one sentence what to do."""
    return {
        status: {
            "description": "Refused; nothing changed.",
            **({"headers": {"Retry-After": {"schema": {"type": "integer"}}}} if status == 429 else {}),
            "content": {"application/json": {"example": {"detail": _SENTENCES[status]}}},
        }
        for status in statuses
    }
