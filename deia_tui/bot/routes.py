"""The HTTP face of a bot: routes that show and steer the Life in `app.state.life`, and the stream of its frames."""

import asyncio
import os
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from deia_tui import __version__
from deia_tui.bot.approvals import Answer
from deia_tui.bot.guard import Guard
from deia_tui.bot.life import Life
from deia_tui.bot.spool import Spool
from deia_tui.bot.worker import Message
from deia_tui.core.bots import Activity
from deia_tui.core.errors import CommandRejected
from deia_tui.core.frames import decode_ack
from deia_tui.core.turns import OptionKind


class Health(BaseModel):
    status: str = Field(examples=["ok"], description="ok, starting or draining")
    bot_id: str = Field(examples=["BOT-001"])
    run: int = Field(examples=[1])
    activity: Activity


class Status(BaseModel):
    bot_id: str = Field(examples=["BOT-001"])
    run: int = Field(examples=[1])
    pid: int = Field(examples=[4711])
    agent: str = Field(examples=["shell"])
    activity: Activity
    message_id: str | None = Field(description="the message being answered")
    queued: int = Field(description="messages that wait behind it")
    uptime_s: float
    last_seq: int = Field(description="number of the newest frame")
    acked_seq: int = Field(description="frames up to this one are committed by the supervisor")
    answered: int
    failed: int
    interrupted: int
    dropped_output_bytes: int


class MessageIn(BaseModel):
    text: str = Field(examples=["uname -a"], description="1 byte to 1 MiB of UTF-8")
    message_id: str | None = Field(
        None, pattern=r"^[!-~]{1,128}$", examples=["4f0c"], description="chosen by the sender: taken once per run"
    )
    sender: str = Field("human", max_length=128, examples=["human"])

    @field_validator("text")
    @classmethod
    def _is_unicode(cls, text: str) -> str:
        text.encode()  # JSON can spell halves of characters: a UnicodeEncodeError is a ValueError
        return text


class Accepted(BaseModel):
    message_id: str = Field(examples=["4f0c"])
    seq: int = Field(examples=[12], description="number of its `accepted` frame")


class InterruptIn(BaseModel):
    message_id: str | None = Field(None, examples=["4f0c"], description="end only the answer to this message")


class Interrupted(BaseModel):
    interrupted: str | None = Field(examples=["4f0c"], description="the message whose answer ends now, if any")


class PermissionIn(BaseModel):
    outcome: OptionKind = Field(examples=["allow_once"])
    by: str = Field("human", max_length=128, examples=["human"], description="who answers")
    note: str = Field("", max_length=4096, description="what the agent is told with it")


class Answered(BaseModel):
    request_id: str


class StopIn(BaseModel):
    drain: bool = Field(False, description="finish all accepted work first, however long it takes")


class Stopping(BaseModel):
    status: str = Field(examples=["stopping"], description="stopping or draining")


class Problem(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "One sentence."}]})
    detail: str


_SENTENCES = {
    400: "The message is empty.",
    401: "This needs 'Authorization: Bearer' with the token of this run.",
    403: "The Host header must be 127.0.0.1 or localhost.",
    404: "This request is not open: it was answered, or its turn is over.",
    411: "Send the body with a Content-Length.",
    413: "The message is longer than 1 MiB.",
    422: "Bad request: text: Field required.",
    429: "Bot busy, please wait.",
    503: "The bot is ending and takes no messages.",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "model": Problem,
            "description": _SENTENCES[status],
            "content": {"application/json": {"example": {"detail": _SENTENCES[status]}}},
        }
        for status in statuses
    }


router = APIRouter(responses=_problems(401, 403))


_NOT_OK = {"status": "draining", "bot_id": "BOT-001", "run": 1, "activity": "idle"}
_UNWELL: dict[int | str, dict[str, Any]] = {
    503: {
        "model": Health,
        "description": "starting or draining",
        "content": {"application/json": {"example": _NOT_OK}},
    }
}


@router.get("/health", response_model=Health, responses=_UNWELL)
async def health(request: Request) -> JSONResponse:
    life: Life = request.app.state.life
    phase = life.worker.phase
    status = {"open": "ok", "starting": "starting"}.get(phase, "draining")
    body = Health(status=status, bot_id=life.seed.bot_id, run=life.seed.run, activity=life.worker.activity)
    return JSONResponse(body.model_dump(), status_code=200 if phase == "open" else 503)


@router.get("/status")
async def status(request: Request) -> Status:
    life: Life = request.app.state.life
    worker, spool, counts = life.worker, life.spool, life.worker.counts
    return Status(
        bot_id=life.seed.bot_id,
        run=life.seed.run,
        pid=os.getpid(),
        agent=life.seed.spec.agent.name,
        activity=worker.activity,
        message_id=worker.current.message_id if worker.current else None,
        queued=worker.queued,
        uptime_s=life.uptime_s,
        last_seq=spool.last_seq,
        acked_seq=spool.acked_seq,
        answered=counts.answered,
        failed=counts.failed,
        interrupted=counts.interrupted,
        dropped_output_bytes=spool.dropped_output_bytes,
    )


@router.post("/message", status_code=202, responses=_problems(400, 411, 413, 422, 429, 503))
@router.post("/task", status_code=202, responses=_problems(400, 411, 413, 422, 429, 503), summary="Alias of /message")
async def message(request: Request, body: MessageIn) -> Accepted:
    """Queue a message; the answer comes on /events. The same `message_id` again changes nothing."""
    life: Life = request.app.state.life
    message_id = body.message_id or uuid.uuid4().hex
    return Accepted(message_id=message_id, seq=life.worker.accept(Message(message_id, body.text)))


@router.post("/interrupt", responses=_problems(411, 413, 422))
async def interrupt(request: Request, body: InterruptIn | None = None) -> Interrupted:
    """End the answer under way, within 2 s; queued messages stay."""
    life: Life = request.app.state.life
    return Interrupted(interrupted=life.worker.interrupt(body.message_id if body else None))


@router.post("/permissions/{request_id}", responses=_problems(404, 411, 413, 422))
async def permission(request: Request, request_id: str, body: PermissionIn) -> Answered:
    """Answer what the agent asked leave for."""
    life: Life = request.app.state.life
    life.approvals.answer(request_id, Answer(outcome=body.outcome, by=body.by, note=body.note))
    return Answered(request_id=request_id)


@router.post("/stop", status_code=202, responses=_problems(411, 413, 422))
@router.post("/terminate", status_code=202, responses=_problems(411, 413, 422), summary="Alias of /stop")
async def stop(request: Request, body: StopIn | None = None) -> Stopping:
    """End gracefully: 8 s for the current answer, or with `drain` as long as all accepted work takes."""
    life: Life = request.app.state.life
    life.end("stopped", drain=body.drain if body else False)
    return Stopping(status=life.worker.phase)


@router.websocket("/events")
async def events(socket: WebSocket, after: Annotated[int, Query(ge=0)] = 0) -> None:
    """Frames that follow `after`, then new ones as they come; the client answers {"ack": SEQ}."""
    life: Life = socket.app.state.life
    await socket.accept()
    directions = (_send_frames(socket, life.spool, after), _take_acks(socket, life.spool))
    tasks = [asyncio.create_task(_while_connected(direction)) for direction in directions]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    farewells = [task.result() for task in done]
    if (farewell := farewells[0]) is not None and None not in farewells:
        with suppress(WebSocketDisconnect):
            await socket.close(*farewell)


Farewell = tuple[int, str]


async def _while_connected(direction: Awaitable[Farewell]) -> Farewell | None:
    """How to say goodbye; None when there is nobody any more to say it to."""
    with suppress(WebSocketDisconnect):
        return await direction
    return None


async def _send_frames(socket: WebSocket, spool: Spool, seq: int) -> Farewell:
    while True:
        await spool.news(seq)
        seq = max(seq, spool.acked_seq)
        frames = spool.after(seq)
        for frame in frames:
            await socket.send_text(frame.decode().rstrip("\n"))
        seq += len(frames)
        if spool.closed and not frames:
            return 1001, "the bot ended"


async def _take_acks(socket: WebSocket, spool: Spool) -> Farewell:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        seq = decode_ack(message.get("text") or message.get("bytes") or "")
        if seq is None:
            return 1003, 'only {"ack": SEQ} is understood'
        spool.ack(seq)


# The app


async def _rejected(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CommandRejected)
    headers = {} if error.retry_after_s is None else {"Retry-After": f"{error.retry_after_s:.0f}"}
    return JSONResponse({"detail": str(error)}, status_code=error.status, headers=headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(part for part in first["loc"][1:] if isinstance(part, str))
    what = f"{field}: {first['msg']}" if field else "the body is not a JSON object"
    return JSONResponse({"detail": f"Bad request: {what}."}, status_code=422)


def build() -> FastAPI:
    """The app, complete down to its middleware and schema; `state.life` is set once it is known whose it is."""
    app = FastAPI(title="A bot of deia-tui", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(router)
    app.add_middleware(Guard)
    app.add_exception_handler(CommandRejected, _rejected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.openapi()
    app.middleware_stack = app.build_middleware_stack()
    return app
