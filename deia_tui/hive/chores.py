"""What goes on beside the keepers while a hive is open. A chore that fails, which is our bug, is told of and begun
again: none ends in silence."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from deia_tui.core.alerts import Raise
from deia_tui.core.errors import StoreError
from deia_tui.hive.record import Record

log = logging.getLogger(__name__)

AGAIN_S = 1.0

Work = Callable[[], Coroutine[Any, Any, None]]


class Chores:
    def __init__(self, record: Record) -> None:
        self._record = record
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, name: str, work: Work) -> None:
        self._tasks.append(asyncio.create_task(self._do(name, work), name=name))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _do(self, name: str, work: Work) -> None:
        while True:
            try:
                await work()
                return
            except Exception as error:
                log.exception("chore %s", name)
                text = f"its chore '{name}' failed ({type(error).__name__}: {error}) and was begun again"
                with contextlib.suppress(StoreError):
                    await self._record.alert([Raise(None, "chore", "critical", text, "please report this")])
            await asyncio.sleep(AGAIN_S)
