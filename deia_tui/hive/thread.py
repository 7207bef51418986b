"""A hive in a thread and event loop of its own, so that no stalled terminal ever stops supervision."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from deia_tui.core.client import ChatTurn, Launchable, Recorded, TaskDetail
from deia_tui.core.commands import Command, Outcome
from deia_tui.core.errors import CommandRejected
from deia_tui.core.letters.letter import Letter
from deia_tui.core.state import Snapshot
from deia_tui.core.work.tasks import Task, TaskState

if TYPE_CHECKING:
    from deia_tui.hive.hive import Hive

LOOK_EVERY_S = 0.5

Result = TypeVar("Result")


class HiveThread:
    """A HiveClient for another thread. `supervise` makes a hive, presents it, and returns when it closed.

    It does so in the thread: neither the hive's imports nor its making keep the screen waiting. `ended` is called from
    the thread at its end; `error` is then what ended it, if it was not asked to.
    """

    def __init__(self, supervise: Callable[[Callable[["Hive"], None]], Coroutine[Any, Any, None]]) -> None:
        self._supervise = supervise
        self._hive: Hive | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._asked_to_close: tuple[bool | None] | None = None
        self._lost_console = ""
        self.error: BaseException | None = None
        self.ended: Callable[[], object] = _nobody_cares

    def start(self) -> None:
        self._thread.start()

    def close(self, *, leave_bots: bool | None) -> None:
        """End supervision, as Hive.close does, and wait for it."""
        self.ask_to_close(leave_bots=leave_bots)
        self.wait()

    def ask_to_close(self, *, leave_bots: bool | None) -> None:
        """Also from a signal handler."""
        self._asked_to_close = (leave_bots,)
        if self._loop is not None and self._hive is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hive.close, leave_bots)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until supervision has ended; False when it has not after `timeout_s`."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def lose_console(self, reason: str) -> None:
        """Nobody sits before it any more: it goes on in the background."""
        self._lost_console = reason
        if self._loop is not None and self._hive is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hive.lose_console, reason)

    @property
    def closing_reason(self) -> str:
        """Why somebody else wanted its end, or ""."""
        return "" if self._hive is None else self._hive.closing_reason

    def snapshot(self) -> Snapshot:
        return Snapshot() if self._hive is None else self._hive.snapshot()

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes = (*self._wakes, wake)

        def stop() -> None:
            self._wakes = tuple(other for other in self._wakes if other is not wake)

        return stop

    async def submit(self, command: Command) -> Outcome:
        return await self._call(lambda hive: hive.submit(command))

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> Sequence[ChatTurn]:
        return await self._call(lambda hive: hive.chat(bot_id, before=before, limit=limit))

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> Sequence[Recorded]:
        return await self._call(lambda hive: hive.events(bot_id=bot_id, after=after, limit=limit, newest=newest))

    async def tasks(
        self, *, states: Collection[TaskState] = (), bot_id: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Task]:
        return await self._call(lambda hive: hive.tasks(states=states, bot_id=bot_id, offset=offset, limit=limit))

    async def task(self, task_id: str) -> TaskDetail:
        return await self._call(lambda hive: hive.task(task_id))

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Letter]:
        return await self._call(lambda hive: hive.letters(bot_id=bot_id, partner=partner, offset=offset, limit=limit))

    async def launchables(self, *, look: bool = False) -> Sequence[Launchable]:
        return await self._call(lambda hive: hive.launchables(look=look))

    async def _call(self, ask: Callable[["Hive"], Coroutine[Any, Any, Result]]) -> Result:
        """Ask in the hive's loop; leaving early does not cancel it."""
        if self._loop is None or self._hive is None:
            raise CommandRejected("The supervisor is still starting: try again in a moment.", status=503)
        work = ask(self._hive)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise CommandRejected("The supervisor has ended.", status=503) from None
        return await asyncio.shield(asyncio.wrap_future(future))

    def _present(self, hive: "Hive") -> None:
        hive.subscribe(self._wake)
        self._hive = hive
        if self._asked_to_close is not None:  # before there was a hive to be told
            hive.close(*self._asked_to_close)
        if self._lost_console:
            hive.lose_console(self._lost_console)

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()

    async def _supervise_meanwhile(self) -> None:
        following = asyncio.create_task(self._follow_main_thread())
        await self._supervise(self._present)
        following.cancel()

    async def _follow_main_thread(self) -> None:
        """A program whose main thread failed cannot do everything any more that a supervisor needs."""
        while threading.main_thread().is_alive():
            await asyncio.sleep(LOOK_EVERY_S)
        self.ask_to_close(leave_bots=None)

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._supervise_meanwhile())
        except BaseException as error:  # noqa: BLE001 - the other thread shows it
            self.error = error
        finally:
            with contextlib.suppress(RuntimeError):  # the other loop may have closed meanwhile
                self.ended()


def _nobody_cares() -> None:
    """Until somebody sets `ended`."""
