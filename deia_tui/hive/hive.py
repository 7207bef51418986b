"""The supervisor: keepers of bots, the record of what happened, and four ways to deal with it (open, submit, snapshot,
subscribe) beside the read queries. It decides nothing about a bot; its keeper does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Self, assert_never

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.alerts import PAUSED
from deia_tui.core.client import ChatTurn, Launchable, Recorded, TaskDetail
from deia_tui.core.costs import Cost
from deia_tui.core.errors import BotUnreachable, CommandRejected
from deia_tui.core.letters.letter import Letter, LetterState
from deia_tui.core.metricsreport import summary
from deia_tui.core.scheduling.standings import Standings
from deia_tui.core.state import Snapshot
from deia_tui.core.work.tasks import Task, TaskState
from deia_tui.folder import Folder
from deia_tui.hive.declarations import Declarations
from deia_tui.hive.household import Household, Mode
from deia_tui.hive.lock import HiveLock
from deia_tui.settings import Catalogue


class Hive:
    """A hive that nobody else supervises (hold its HiveLock). `catalogue` reads hive.toml and templates anew."""

    def __init__(
        self,
        folder: Folder,
        catalogue: Callable[[], Catalogue],
        *,
        mode: Mode,
        version: str,
        lock: HiveLock | None = None,
    ) -> None:
        declarations = Declarations(catalogue)
        self._settings = declarations.settings
        self._house = Household(folder, declarations, mode=mode, version=version, lock=lock, publish=self._publish)
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._snapshot = Snapshot(state=self._house.unopened())

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Supervise while the context is entered; bots live on afterwards unless `CloseHive` said otherwise."""
        async with self._house.open():
            yield self

    async def submit(self, command: cmd.Command) -> cmd.Outcome:
        self._check_open()
        match command:
            case cmd.LaunchBots():
                return await self._house.recruiter.launch(command)
            case cmd.StopBot(bot_id=bot_id, drain=drain):
                return await self._rest(bot_id, lc.Stop("drained" if drain else "stopped"))
            case cmd.KillBot(bot_id=bot_id):
                return await self._rest(bot_id, lc.Kill())
            case cmd.RestartBot(bot_id=bot_id):
                return await self._restart(bot_id)
            case cmd.StopAll(drain=drain):
                return await self._house.roster.stop_all(drain=drain)
            case cmd.InterruptBot(bot_id=bot_id):
                return await self._interrupt(bot_id)
            case cmd.SendMessage(bot_id=bot_id):
                return [await self._house.roster.get(bot_id).send(command)]
            case cmd.AnswerPermission():
                return await self._answer(command)
            case _ if isinstance(command, cmd.WorkCommand):
                return await self._house.work.submit(command)
            case cmd.ClearAlert(alert_id=alert_id):
                return await self._clear(alert_id)
            case cmd.CloseHive(leave_bots=leave_bots, reason=reason):
                self.close(leave_bots, reason)
                return []
            case _:
                assert_never(command)

    def _check_open(self) -> None:
        if not self._house.is_open:
            raise CommandRejected("The supervisor is still starting: try again in a moment.", status=503)

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes = (*self._wakes, wake)

        def stop() -> None:
            self._wakes = tuple(other for other in self._wakes if other is not wake)

        return stop

    def close(self, leave_bots: bool | None = None, reason: str = "") -> None:
        """Ask for the end of the supervisor: `closed` returns. None leaves it to `on_term` what becomes of the bots."""
        leave = self._settings.hive.on_term == "leave" if leave_bots is None else leave_bots
        self._house.departure.ask(leave_bots=leave, reason=reason)

    def lose_console(self, reason: str) -> None:
        """The screen is gone: supervise on in the background."""
        self._house.lose_console(reason)

    @property
    def closing_reason(self) -> str:
        """Why somebody asked for the end, or ""."""
        return self._house.departure.reason

    async def closed(self) -> None:
        """Until somebody asked for the end of the supervisor."""
        await self._house.departure.asked()

    # Read queries

    async def chat(self, bot_id: str, *, before: int | None = None, limit: int = 30) -> Sequence[ChatTurn]:
        return await self._house.store.chat(bot_id, before=before, limit=limit)

    async def events(
        self, *, bot_id: str | None = None, after: int = 0, limit: int = 500, newest: bool = False
    ) -> Sequence[Recorded]:
        return await self._house.store.events(bot_id=bot_id, after=after, limit=limit, newest=newest)

    def bearer(self, token: str) -> str | None:
        """The bot that has this token for the API; None for one of nobody that runs."""
        return self._house.roster.bearer(token)

    async def costs(self, *, since_day: str, bot_id: str | None = None) -> Sequence[Cost]:
        """What was used since a day (2026-01-31, UTC), that day included."""
        if bot_id is not None:
            self._house.roster.get(bot_id)
        return await self._house.store.costs(since_day=since_day, bot_id=bot_id)

    async def metrics(self) -> dict[str, Any]:
        """How the bots did in the last hour and the last 24: metricsreport.summary."""
        windows = await self._house.scribe.windows()
        return await asyncio.to_thread(summary, windows, time.time())

    def answered(self, took_s: float) -> None:
        """The API answered a request."""
        self._house.scribe.metrics.request(took_s)

    def standings(self) -> Standings:
        """What the scheduler has learned by now."""
        return self._house.work.scheduling.standings()

    async def tasks(
        self, *, states: Collection[TaskState] = (), bot_id: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Task]:
        self._check_open()
        return await self._house.store.tasks(states=states, bot_id=bot_id, offset=offset, limit=limit)

    async def task(self, task_id: str) -> TaskDetail:
        self._check_open()
        return await self._house.work.task(task_id)

    async def letters(
        self, *, bot_id: str | None = None, partner: str | None = None, offset: int = 0, limit: int = 200
    ) -> Sequence[Letter]:
        self._check_open()
        return await self._house.store.letters(bot_id=bot_id, partner=partner, offset=offset, limit=limit)

    async def letter(self, letter_id: str) -> Letter | None:
        """None for one that nobody knows."""
        return await self._house.store.letter(letter_id)

    async def unread_letters(self, bot_id: str, *, limit: int = 200) -> Sequence[Letter]:
        """What a bot has not read yet, in the order in which it gets them. Raises CommandRejected for no bot."""
        self._house.roster.get(bot_id)
        ageing_s = self._settings.task_policy().ageing_s
        return await self._house.store.unread_letters(bot_id, limit=limit, ageing_s=ageing_s)

    async def pending_letters(self) -> Sequence[Letter]:
        """Those that wait to be delivered."""
        return self._house.work.messenger.pending()

    async def letter_counts(self) -> Mapping[LetterState, int]:
        """How many letters are in each state."""
        return await self._house.store.letter_counts()

    async def launchables(self, *, look: bool = False) -> Sequence[Launchable]:
        self._check_open()
        return await self._house.recruiter.launchables(look=look)

    # Commands

    async def _restart(self, bot_id: str) -> cmd.Outcome:
        keeper = self._house.roster.get(bot_id)
        await keeper.wish(lc.Restart())
        await self._house.roster.up(keeper)
        return []

    async def _rest(self, bot_id: str, input: lc.Stop | lc.Kill) -> cmd.Outcome:
        await self._house.roster.rest(self._house.roster.get(bot_id), input)
        return []

    async def _interrupt(self, bot_id: str) -> cmd.Outcome:
        try:
            await self._house.roster.get(bot_id).interrupt()
        except BotUnreachable as error:
            raise CommandRejected(f"{bot_id} does not answer ({error}): K kills it.", status=504) from error
        return []

    async def _answer(self, command: cmd.AnswerPermission) -> cmd.Outcome:
        for approval in self._house.record.state.approvals:
            if approval.request.request_id == command.request_id:
                try:
                    await self._house.roster.get(approval.bot_id).answer(command)
                except BotUnreachable as error:
                    raise CommandRejected(f"{approval.bot_id} does not answer ({error}).", status=504) from error
                return []
        raise CommandRejected("This request is not open: it was answered, or its turn is over.", status=404)

    async def _clear(self, alert_id: int) -> cmd.Outcome:
        for alert in self._house.record.state.alerts:
            if alert.alert_id == alert_id and alert.cleared_at is None:
                cleared = ev.AlertCleared(
                    at=time.time(), alert_id=alert_id, bot_id=alert.bot_id, reason="cleared by hand"
                )
                await self._house.record.add(cleared)
                if alert.kind.startswith(PAUSED):
                    self._house.around.providers.lift(alert.kind.removeprefix(PAUSED))
                return []
        raise CommandRejected(f"There is no open alert {alert_id}.", status=404)

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        for wake in self._wakes:
            wake()
