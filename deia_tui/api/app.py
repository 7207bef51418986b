"""The HTTP API of a hive: routes to commands, snapshots to JSON. Who may connect, the socket's mode decides (0600)."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, field_validator

from deia_tui.api.body import Body
from deia_tui.api.letters import Letters, letter_routes
from deia_tui.api.metrics import Measured, Timing, metrics_routes
from deia_tui.api.scheduling import Learned, scheduling_routes
from deia_tui.api.tasks import task_routes
from deia_tui.core import codec, costs, report
from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient, Recorded
from deia_tui.core.costs import Cost
from deia_tui.core.errors import CommandRejected, DeiaError
from deia_tui.core.passes import may
from deia_tui.core.permissions import POLICY
from deia_tui.core.state import NO_SERIES, day_of
from deia_tui.core.turns import OptionKind
from deia_tui.following import follow

MAX_SEQ = 2**63 - 1
MAX_LAST = 100_000


_ABOUT = (
    "Whoever may open the socket may do everything. A bot's agent finds DEIA_TOKEN in its environment and sends it as "
    "a bearer token: then it may read and write messages, but not approve, launch, stop or end anything. That tells "
    "who asks; processes of one user are no sandbox."
)


class Launch(Body):
    what: str = Field(examples=["shell"])
    count: int = 1
    bot_id: str | None = None
    wait: bool = True


class Stop(Body):
    drain: bool = Field(default=False, description="finish all accepted work first, however long that takes")


class Message(Body):
    text: str = Field(examples=["uname -a"])
    sender: str = "human"
    message_id: str | None = Field(default=None, max_length=128)


class Answer(Body):
    outcome: OptionKind = Field(examples=["allow_once"])
    note: str = Field(default="", max_length=4096, description="what the agent is told with it")
    by: str = Field(default="human", min_length=1, max_length=128, description="who answers")

    @field_validator("by")
    @classmethod
    def _is_somebody(cls, by: str) -> str:
        if by.strip().lower() in ("", POLICY):
            raise ValueError(f"say who answers; '{POLICY}' is the bot's own")
        return by


class Supervisor(Letters, Learned, Measured, Protocol):
    """What the API needs beside what a screen does."""

    def bearer(self, token: str) -> str | None:
        """The bot that has this token."""

    async def costs(self, *, since_day: str, bot_id: str | None = None) -> Sequence[Cost]:
        """What was used since a day (2026-01-31, UTC), that day included."""


class Shutdown(Body):
    leave_bots: bool = False
    reason: str = Field(default="", max_length=300)


def create_app(client: Supervisor, *, version: str) -> FastAPI:
    async def check_pass(request: Request) -> None:
        """A bot comes with its token and may do little; see core/passes.py."""
        request.state.bot_id = bot_id = _bearer(client, request.headers.get("authorization"))
        if bot_id is None:
            return
        route = request.scope["route"].path
        listens_to_others = route == "/api/events" and request.query_params.get("bot_id") != bot_id
        if listens_to_others or not may(request.method, route):
            raise CommandRejected(
                f"{bot_id} is a bot: it may look and write messages, and leaves {request.url.path} to humans.",
                status=403,
            )

    app = FastAPI(
        title="deia-tui hive",
        version=version,
        description=_ABOUT,
        dependencies=[Depends(check_pass)],
    )

    @app.exception_handler(CommandRejected)
    async def rejected(_: Request, error: CommandRejected) -> JSONResponse:
        headers = {} if error.retry_after_s is None else {"Retry-After": f"{error.retry_after_s:.0f}"}
        return _problem(str(error), error.status, headers)

    @app.exception_handler(DeiaError)
    async def failed(_: Request, error: DeiaError) -> JSONResponse:
        return _problem(str(error), 500)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _problem(_sentence(error), 422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/status")
    async def status() -> dict[str, Any]:
        return report.status(client.snapshot(), time.time())

    @app.get("/api/bots")
    async def bots() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = report.status(client.snapshot(), time.time())["bots"]
        return found

    @app.get("/api/bot/{bot_id}/status")
    async def bot_status(bot_id: str) -> dict[str, Any]:
        snapshot = client.snapshot()
        bot = snapshot.state.bots.get(bot_id)
        if bot is None:
            raise CommandRejected(f"There is no bot '{bot_id}'.", status=404)
        series = snapshot.telemetry.bots.get(bot_id, NO_SERIES)
        return report.bot_status(bot, series, time.time(), snapshot.state.pauses)

    @app.post("/api/bot/launch")
    async def launch(body: Launch) -> dict[str, list[str]]:
        command = cmd.LaunchBots(what=body.what, count=body.count, bot_id=body.bot_id, wait=body.wait)
        return {"bots": await client.submit(command)}

    @app.post("/api/bot/send/{bot_id}")
    async def send(request: Request, bot_id: str, body: Message) -> dict[str, str]:
        sender = request.state.bot_id or body.sender
        command = cmd.SendMessage(bot_id=bot_id, text=body.text, sender=sender, message_id=body.message_id)
        [message_id] = await client.submit(command)
        return {"message_id": message_id}

    @app.post("/api/bot/stop/{bot_id}")
    async def stop(bot_id: str, body: Stop | None = None) -> dict[str, list[str]]:
        """Answers when it is off."""
        return {"bots": await client.submit(cmd.StopBot(bot_id=bot_id, drain=body is not None and body.drain))}

    @app.post("/api/bot/{verb}/{bot_id}")
    async def control(verb: str, bot_id: str) -> dict[str, list[str]]:
        if verb not in VERBS:
            raise CommandRejected(f"Nothing can be done by '{verb}': use stop, {', '.join(VERBS)}.", status=404)
        return {"bots": await client.submit(VERBS[verb](bot_id=bot_id))}

    @app.post("/api/bots/stop")
    async def stop_all(body: Stop | None = None) -> dict[str, list[str]]:
        """Answers when all of them are off."""
        return {"bots": await client.submit(cmd.StopAll(drain=body is not None and body.drain))}

    @app.get("/api/approvals")
    async def approvals() -> list[dict[str, Any]]:
        """What agents ask leave for, oldest first."""
        return [report.approval(one, time.time()) for one in client.snapshot().state.approvals]

    @app.post("/api/approvals/{request_id}")
    async def answer(request_id: str, body: Answer) -> dict[str, str]:
        command = cmd.AnswerPermission(request_id=request_id, outcome=body.outcome, note=body.note, by=body.by)
        await client.submit(command)
        return {"request_id": request_id, "outcome": body.outcome}

    @app.get("/api/cost")
    async def cost(bot_id: str | None = None, days: Annotated[int, Query(ge=1, le=36_600)] = 1) -> dict[str, Any]:
        """What was used and what it cost on the last `days` days (UTC), today included."""
        since = max(0.0, time.time() - (days - 1) * 86_400)
        return costs.report(await client.costs(since_day=day_of(since), bot_id=bot_id))

    @app.post("/api/shutdown", status_code=202)
    async def shutdown(body: Shutdown) -> dict[str, int]:
        await client.submit(cmd.CloseHive(leave_bots=body.leave_bots, reason=body.reason))
        return {"pid": client.snapshot().state.pid}

    @app.get("/api/events")
    async def events(
        bot_id: str | None = None,
        after: Annotated[int | None, Query(ge=0, le=MAX_SEQ)] = None,
        last: Annotated[int, Query(ge=0, le=MAX_LAST)] = 50,
        forever: bool = False,
    ) -> StreamingResponse:
        """One JSON object a line: the `last` events, or all with seq > `after`; with `forever`, without end."""
        return StreamingResponse(
            _lines(client, bot_id, after, last, forever=forever), media_type="application/x-ndjson"
        )

    app.include_router(task_routes(client))
    app.include_router(metrics_routes(client))
    app.add_middleware(Timing, answered=client.answered)
    app.include_router(letter_routes(client))
    app.include_router(scheduling_routes(client))
    return app


VERBS: dict[str, Callable[..., cmd.Command]] = {
    "kill": cmd.KillBot,
    "restart": cmd.RestartBot,
    "interrupt": cmd.InterruptBot,
}


def _bearer(client: Supervisor, header: str | None) -> str | None:
    """The bot that asks, None for a human. Raises CommandRejected (401) for a token of nobody."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    bot_id = client.bearer(token.strip()) if scheme.lower() == "bearer" else None
    if bot_id is None:
        raise CommandRejected("This token is that of no bot that runs: DEIA_TOKEN changes with every run.", status=401)
    return bot_id


def _sentence(error: RequestValidationError) -> str:
    """What is wrong and where; never the input itself, which JSON may not be able to spell."""
    found = error.errors()
    wrong = [
        f"{'.'.join(map(str, item['loc'][1:])) or 'the body'}: {item['msg'].removeprefix('Value error, ').rstrip('.')}"
        for item in found
    ]
    return f"Bad request: {'; '.join(wrong)}."


def _problem(sentence: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The sentence may quote input, in which half a character can stand."""
    detail = sentence.encode("utf-8", "replace").decode()
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)


async def _lines(
    client: HiveClient, bot_id: str | None, after: int | None, last: int, *, forever: bool
) -> AsyncIterator[bytes]:
    if after is None:
        after = client.snapshot().seq
        if page := await client.events(bot_id=bot_id, limit=last, newest=True):
            after = page[-1].seq
            yield _encode(page)
    async for page in follow(client, bot_id=bot_id, after=after, forever=forever):
        yield _encode(page)


def _encode(page: Sequence[Recorded]) -> bytes:
    lines = [json.dumps({"seq": entry.seq, **codec.to_json(entry.event)}, ensure_ascii=False) for entry in page]
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")
