"""The routes of work: tasks are added, looked at, changed and ended. What a bot may of that, core/passes.py says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from deia_tui.api.body import Body, Priority, refusals
from deia_tui.core import codec
from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.client import HiveClient, Recorded
from deia_tui.core.errors import CommandRejected
from deia_tui.core.work import taskreport
from deia_tui.core.work.tasks import ENDED, HUMAN, NORMAL, Task, TaskState, TaskType
from deia_tui.following import follow

MAX_TEXT = 250_000
"""Characters: at most the megabyte that a bot takes."""
AT_ONCE = 200
"""So many tasks are retried at the same time."""
_ENDS = ev.TaskDone | ev.TaskDied | ev.TaskCancelled
_OF_MESSAGE = ev.OutputAdded | ev.ToolCallChanged | ev.TurnStarted | ev.TurnEnded | ev.PermissionAsked


TaskId = Annotated[str, Field(min_length=1, max_length=100, examples=["sweep-42"])]
By = Annotated[str, Field(min_length=1, max_length=128, description="who wants it")]


class NewTask(Body):
    text: str = Field(min_length=1, max_length=MAX_TEXT, examples=["Find out why the tests of `store` are slow."])
    title: str = Field(default="", max_length=200, description="by default the first line of the text")
    to: str = Field(default="", examples=["BOT-001"], description="a bot; by default anyone's")
    priority: Priority = NORMAL
    type: TaskType | None = Field(default=None, description="by default found out from the text")
    after: tuple[TaskId, ...] = Field(default=(), max_length=100, description="tasks that must be done before")
    task_id: TaskId | None = Field(default=None, description="the same id with the same text again is nothing new")
    held: str = Field(default="", max_length=200, description="why it is to wait for its release")
    sender: str = Field(default=HUMAN, min_length=1, max_length=128)


class Wish(Body):
    by: By = "human"


class Hold(Wish):
    reason: str = Field(default="", max_length=200, examples=["until the release is out"])


class Change(Wish):
    """What is left out stays as it is."""

    priority: Priority | None = None
    to: str | None = Field(default=None, examples=["BOT-002"], description='"" makes it anyone\'s')


class Retry(Wish):
    dead: bool = Field(default=False, description="every dead task")
    task_ids: tuple[TaskId, ...] = ()


def task_routes(client: HiveClient) -> APIRouter:
    router = APIRouter(tags=["work"])
    changes = refusals(403, 404, 409, 422)

    @router.get("/api/work")
    async def work() -> dict[str, Any]:
        """How much there is to do."""
        return taskreport.work(client.snapshot().work, time.time())

    @router.post("/api/tasks", status_code=201, responses=refusals(404, 409, 422, 429, 503))
    async def add(request: Request, body: NewTask) -> dict[str, str]:
        """Answers once the task is stored. Refused with 429 and Retry-After when too much waits for its bot."""
        command = cmd.AddTask(
            text=body.text,
            title=body.title,
            to=body.to,
            priority=body.priority,
            task_type=body.type,
            after=body.after,
            task_id=body.task_id,
            held=body.held,
            sender=request.state.bot_id or body.sender,
        )
        [task_id] = await client.submit(command)
        return {"task_id": task_id}

    @router.get("/api/tasks", responses=refusals(422))
    async def tasks(
        state: Annotated[list[TaskState] | None, Query(description="one or more; by default all")] = None,
        bot_id: Annotated[str | None, Query(description="those for it, with it or done by it")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> list[dict[str, Any]]:
        """Those with a bot, then those that wait, in the order of the queue, then those that ended, newest first. Each
        with the first 400 characters of its text."""
        found = await client.tasks(states=state or (), bot_id=bot_id, offset=offset, limit=limit)
        return [taskreport.task(one) for one in found]

    @router.post("/api/tasks/retry", responses=refusals(403, 422))
    async def retry_many(body: Retry) -> dict[str, Any]:
        """Those named, or all that are dead: how many wait anew, and why others do not."""
        if body.dead == bool(body.task_ids):
            raise CommandRejected("Say which tasks to retry: 'task_ids', or 'dead': true.", status=422)
        return await _retry(client, body)

    @router.get("/api/tasks/{task_id}", responses=refusals(404))
    async def task(request: Request, task_id: str) -> dict[str, Any]:
        """With its attempts, what it waits for, and the answer of its last attempt. A bot reads the answers to its own
        tasks only."""
        found = await client.task(task_id)
        return taskreport.detail(found, with_output=_is_own(found.task, request.state.bot_id))

    @router.get("/api/tasks/{task_id}/events", responses=refusals(403, 404))
    async def task_events(
        request: Request, task_id: str, after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None
    ) -> StreamingResponse:
        """One JSON object a line: what becomes of the task and what its bot answers, from now on (or from `after`)
        until it ended."""
        seq = client.snapshot().seq if after is None else after
        found = await client.task(task_id)
        if not _is_own(found.task, request.state.bot_id):
            raise CommandRejected(f"{request.state.bot_id} is a bot: this task is not its own.", status=403)
        return StreamingResponse(_until_ended(client, found.task, seq), media_type="application/x-ndjson")

    @router.patch("/api/tasks/{task_id}", responses={**changes, **refusals(429)})
    async def change(task_id: str, body: Change) -> dict[str, str]:
        command = cmd.ChangeTask(task_id=task_id, priority=body.priority, to=body.to, by=body.by)
        await client.submit(command)
        return {"task_id": task_id}

    @router.post("/api/tasks/{task_id}/cancel", responses=changes)
    async def cancel(task_id: str, body: Wish | None = None) -> dict[str, str]:
        """If it runs, its bot is interrupted."""
        await client.submit(cmd.CancelTask(task_id=task_id, by=(body or Wish()).by))
        return {"task_id": task_id}

    @router.post("/api/tasks/{task_id}/retry", responses=changes)
    async def retry(task_id: str, body: Wish | None = None) -> dict[str, str]:
        """A dead or cancelled one anew, one that waits for its next try at once."""
        await client.submit(cmd.RetryTask(task_id=task_id, by=(body or Wish()).by))
        return {"task_id": task_id}

    @router.post("/api/tasks/{task_id}/hold", responses=changes)
    async def hold(task_id: str, body: Hold | None = None) -> dict[str, str]:
        """It is given to no bot before it is released."""
        wish = body or Hold()
        await client.submit(cmd.ChangeTask(task_id=task_id, held=wish.reason or f"by {wish.by}", by=wish.by))
        return {"task_id": task_id}

    @router.post("/api/tasks/{task_id}/release", responses=changes)
    async def release(task_id: str, body: Wish | None = None) -> dict[str, str]:
        await client.submit(cmd.ChangeTask(task_id=task_id, held="", by=(body or Wish()).by))
        return {"task_id": task_id}

    return router


def _is_own(task: Task, bot_id: str | None) -> bool:
    """A human may read everything, a bot what it wrote and what it is to do."""
    return bot_id is None or bot_id in (task.sender, task.to, task.bot_id)


async def _retry(client: HiveClient, wish: Retry) -> dict[str, Any]:
    refused: dict[str, str] = {}

    async def retry(task_id: str) -> None:
        try:
            await client.submit(cmd.RetryTask(task_id=task_id, by=wish.by))
        except CommandRejected as refusal:
            refused[task_id] = str(refusal)

    count = 0
    async for task_ids in _in_parts(client, wish, refused):
        await asyncio.gather(*(retry(task_id) for task_id in task_ids))
        count += len(task_ids)
    return {"retried": count - len(refused), "refused": refused}


async def _in_parts(client: HiveClient, wish: Retry, refused: Collection[str]) -> AsyncIterator[Sequence[str]]:
    """The dead leave the list as they are retried, but for those that are refused."""
    for start in range(0, len(wish.task_ids), AT_ONCE):
        yield wish.task_ids[start : start + AT_ONCE]
    while wish.dead:
        dead = await client.tasks(states=(TaskState.DEAD,), offset=len(refused), limit=AT_ONCE)
        if not dead:
            return
        yield [task.task_id for task in dead]


async def _until_ended(client: HiveClient, task: Task, after: int) -> AsyncIterator[bytes]:
    messages = {task.message_id} - {""}
    async for page in follow(client, after=after, forever=task.state not in ENDED):
        for entry in page:
            event = entry.event
            if isinstance(event, ev.TaskEvent) and event.task_id == task.task_id:
                if isinstance(event, ev.TaskAssigned):
                    messages.add(event.message_id)
                yield _line(entry)
                if isinstance(event, _ENDS):
                    return
            elif isinstance(event, _OF_MESSAGE) and event.message_id in messages:
                yield _line(entry)


def _line(entry: Recorded) -> bytes:
    row = json.dumps({"seq": entry.seq, **codec.to_json(entry.event)}, ensure_ascii=False)
    return f"{row}\n".encode("utf-8", "replace")
