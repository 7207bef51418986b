"""approvals.jsonl: who was asked for leave, and who gave it; the store has what was asked word for word."""

from collections.abc import Iterator

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, request_of, rfc3339
from deia_tui.core.state import HiveState
from deia_tui.core.turns import PermissionRequest

FILE = "approvals.jsonl"


class Approvals:
    def __init__(self, state: HiveState) -> None:
        self._asked = {one.request.request_id: (one.asked_at, one.request) for one in state.approvals}

    def lines(self, event: ev.Event) -> Iterator[Line]:
        request: PermissionRequest | None
        match event:
            case ev.PermissionAsked(request=request):
                self._asked[request.request_id] = event.at, request
                name, request_id, outcome, by, waited_s = "asked", request.request_id, None, None, None
            case ev.PermissionAnswered(request_id=request_id):
                asked_at, request = self._asked.pop(request_id, (None, None))
                waited_s = None if asked_at is None else round(max(0.0, event.at - asked_at), 3)
                name, outcome, by = "answered", event.outcome, event.by or None
            case _:
                return
        yield (
            FILE,
            {
                "timestamp": rfc3339(event.at),
                "event": name,
                "request_id": request_id,
                "bot_id": event.bot_id,
                **({} if request is None else request_of(request)),
                "outcome": outcome,
                "by": by,
                "waited_s": waited_s,
            },
        )
