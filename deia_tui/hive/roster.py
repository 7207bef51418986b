"""The keepers of all bots by id, and what is asked of several of them or waited for."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from deia_tui.core import breaker as brk
from deia_tui.core import events as ev
from deia_tui.core import lifecycle as lc
from deia_tui.core.alerts import Raise
from deia_tui.core.bots import BotSpec
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.launching import unknown_bot
from deia_tui.hive.surroundings import Surroundings

log = logging.getLogger(__name__)

STOP_SLACK_S = 5.0
"""How much longer than their grace period bots may take to be stopped on record before they are killed."""
_WITH_PROCESS = lc.Starting | lc.Running | lc.Stopping


class Roster:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._keepers: dict[str, Keeper] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[Keeper]:
        return iter(list(self._keepers.values()))

    def find(self, bot_id: str) -> Keeper | None:
        return self._keepers.get(bot_id)

    def get(self, bot_id: str) -> Keeper:
        """Raises CommandRejected (404) for a bot nobody knows."""
        keeper = self._keepers.get(bot_id)
        if keeper is None:
            raise CommandRejected(unknown_bot(bot_id, self._keepers), status=404)
        return keeper

    def bearer(self, token: str) -> str | None:
        """Whose token for the API of the hive it is."""
        found = [keeper.bot_id for keeper in self if keeper.has(token)]
        return found[0] if found else None

    def add(self, keeper: Keeper) -> None:
        """It keeps its bot from now on."""
        self._keepers[keeper.bot_id] = keeper
        self._keeping[keeper.bot_id] = asyncio.create_task(self._keep(keeper), name=f"keeper {keeper.bot_id}")

    def with_process(self) -> list[Keeper]:
        return [keeper for keeper in self if isinstance(keeper.life.state, _WITH_PROCESS)]

    async def launch(self, specs: list[BotSpec], mark: Callable[[str], ev.Event] | None = None) -> list[Keeper]:
        """Start what `specs` say; returns once that is on record, with what `mark` makes of each id."""
        keepers = [self.find(spec.bot_id) or self._make(spec) for spec in specs]
        wishes = (
            keeper.wish(lc.Launch(), spec, also=mark(spec.bot_id) if mark else None)
            for keeper, spec in zip(keepers, specs, strict=True)
        )
        await asyncio.gather(*wishes)
        return keepers

    async def up(self, keeper: Keeper) -> None:
        """Until it runs; raises CommandRejected when it does not come up."""
        life = await keeper.until(lambda life: not isinstance(life.state, lc.Starting | lc.Stopping))
        if not isinstance(life.state, lc.Running):
            view = self._around.record.state.bots[keeper.bot_id]
            reason = view.reason or str(view.exit or "it ended")
            raise CommandRejected(
                f"{keeper.bot_id} does not come up ({view.state}: {reason}): see 'deia-tui logs {keeper.bot_id}'.",
                status=500,
            )

    async def rest(self, keeper: Keeper, input: lc.Stop | lc.Kill) -> None:
        """Until it is off."""
        await keeper.wish(input)
        await keeper.until(lambda life: not isinstance(life.state, lc.Stopping))

    async def stop_all(self, *, drain: bool = False) -> list[str]:
        """Until every bot is off; the ids of those that were not."""
        stop = lc.Stop("all drained" if drain else "all stopped")
        running = [keeper for keeper in self if not isinstance(keeper.life.state, lc.Off)]
        answers = await asyncio.gather(*(self.rest(keeper, stop) for keeper in running), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, CommandRejected):
                raise answer
        return [keeper.bot_id for keeper in running]

    async def stop_for_good(self) -> None:
        """Stop what runs, and what was just being launched. What cannot be stopped on record, on a full disk, is killed
        all the same: the next supervisor learns of its end from the host."""
        patience_s = STOP_SLACK_S + max((keeper.life.policy.grace_period_s for keeper in self), default=0.0)
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(keeper.settled() for keeper in self))
                await self.stop_all()
        for keeper in self.with_process():
            self._around.engine.kill(keeper.bot_id, keeper.life.run)

    async def leave(self) -> None:
        """Keep no bot any more; those that live, live on."""
        for keeping in self._keeping.values():
            keeping.cancel()
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)

    async def _keep(self, keeper: Keeper) -> None:
        """A keeper that fails over one mail, which is our bug, is told of and goes on with the next."""
        while True:
            try:
                await keeper.keep()
            except Exception as error:
                text = f"its keeper failed ({type(error).__name__}: {error}): one report or wish was lost"
                log.exception("keeper of %s", keeper.bot_id)
                with contextlib.suppress(StoreError):
                    await self._around.record.alert(
                        [Raise(keeper.bot_id, "keeper", "critical", text, "r restarts the bot; please report this")]
                    )

    def _make(self, spec: BotSpec) -> Keeper:
        settings = self._around.settings
        breaker = brk.Breaker(policy=settings.breaker_policy())
        keeper = Keeper(spec, lc.Life(policy=settings.life_policy(spec)), self._around, breaker=breaker)
        self.add(keeper)
        return keeper
