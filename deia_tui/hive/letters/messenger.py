"""Carries letters between bots, and is the only writer of them: hands them over one at a time by the keeper of their
bot, and hears from what is committed what became of them. What happened while nobody supervised is read from the
messages that carried them."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from deia_tui.core import events as ev
from deia_tui.core.client import Recorded
from deia_tui.core.commands import SendMessage
from deia_tui.core.errors import CommandRejected, StoreError
from deia_tui.core.letters.care import depths, losses
from deia_tui.core.letters.delivery import (
    begun,
    ended,
    expired,
    failed,
    handed,
    obstacle,
    resumed,
    taken,
    told,
)
from deia_tui.core.letters.letter import Letter, carries_letter
from deia_tui.core.letters.post import HandOver, Post, TakeBack
from deia_tui.hive.calls import verdict
from deia_tui.hive.keeper import Keeper
from deia_tui.hive.letters.letterbox import Letterbox
from deia_tui.hive.mail import Errand
from deia_tui.hive.record import STORE_RETRY_S
from deia_tui.hive.roster import Roster
from deia_tui.hive.surroundings import Surroundings
from deia_tui.store.store import Store

MAX_WAIT_S = 60.0
"""How long a wall time is believed: the clock may be set."""
STRAINED_WAIT_S = 2.0
"""Nobody tells when the strain of a hive is over."""
MIN_WAIT_S = 0.1
CLEAN_EVERY_S = 600.0
_FOREVER = (400, 413)
"""Refusals that no time mends."""
_STIRRING = (
    *(ev.BotReady, ev.BotLaunched, ev.BreakerChanged, ev.BotPaused, ev.BotUnpaused),
    *(ev.ProviderPaused, ev.ProviderResumed),
)
"""What may end the wait of a letter."""


class Messenger:
    """`found` are the letters that were open when the last supervisor ended."""

    def __init__(self, around: Surroundings, roster: Roster, store: Store, found: Iterable[Letter]) -> None:
        self._around = around
        self._roster = roster
        self._store = store
        self._policy = around.settings.letter_policy()
        self._post = Post(found, ageing_s=around.settings.task_policy().ageing_s)
        self.letterbox = Letterbox(around, roster, store, self._post)
        self._owed: list[ev.LetterEvent] = []
        self._lost: list[ev.LetterEvent] = []
        self._writing = asyncio.Lock()
        self._again: dict[str, float] = {}
        """When to ask a bot again that takes nothing now (unix seconds)."""
        self._news = asyncio.Event()
        self._revision = 0
        around.record.listen(self._hear)
        self._show()

    def pending(self) -> list[Letter]:
        """What waits to be delivered."""
        return list(self._post.pending())

    async def tend(self) -> None:
        """Until cancelled."""
        await self._reconcile()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cleanup_expired())
            serving: dict[str, asyncio.Task[None]] = {}
            while True:
                self._news.clear()
                stored = await self._write_down()
                for bot_id in self._post.recipients() if stored else ():
                    if bot_id not in serving or serving[bot_id].done():
                        serving[bot_id] = group.create_task(self.process_outgoing_queue(bot_id))
                await self._rest(stored)

    async def process_outgoing_queue(self, bot_id: str) -> None:
        """Hand over what this bot gets next, or take it back; until there is nothing to be done now."""
        keeper = self._roster.find(bot_id)
        while keeper is not None:
            now = time.time()
            strained = self._around.record.snapshot.work.strain != "healthy"
            can_take = self._can_take(bot_id, now)
            match self._post.next_step(bot_id, now, strained=strained, can_take=can_take):
                case HandOver(letter):
                    done = await self._hand_over(keeper, letter)
                case TakeBack(letter):
                    done = await self._take_back(keeper, letter)
                case None:
                    return
            if not done or not await self._write_down():
                return

    async def cleanup_expired(self) -> None:
        """Until cancelled: what expired long ago goes; what was delivered or read stays."""
        keep_s = self._policy.keep_expired_h * 3600
        while True:
            with contextlib.suppress(StoreError):  # whoever commits says so; the next time will do
                if count := await self._store.drop_expired_letters(time.time() - keep_s):
                    await self._around.record.add(ev.LettersCleaned(at=time.time(), count=count))
            await asyncio.sleep(min(CLEAN_EVERY_S, keep_s))

    # Handing over

    def _can_take(self, bot_id: str, now: float) -> bool:
        state = self._around.record.state
        if bot_id not in state.bots or self._again.get(bot_id, now) > now:
            return False
        found = obstacle(state.bots[bot_id], state.pauses, now)
        if found is not None and found.until is not None:
            self._come_again(bot_id, found.until)
        return found is None

    def _come_again(self, bot_id: str, at: float) -> None:
        self._again[bot_id] = at
        self._news.set()

    async def _hand_over(self, keeper: Keeper, letter: Letter) -> bool:
        """False when its bot takes nothing now."""
        at = time.time()
        step = handed(letter, at)
        is_bot = self._roster.find(letter.from_bot) is not None
        text = told(letter, keeper.spec.agent.kind, writer_is_bot=is_bot)
        command = SendMessage(bot_id=letter.to_bot, text=text, sender=letter.from_bot, message_id=step.message_id)
        try:
            await keeper.send(command, Errand(step, priority=letter.priority + 1))
        except CommandRejected as refusal:
            if refusal.status in _FOREVER:
                self._owe(failed(letter, at, str(refusal)))
                return True
            self._come_again(letter.to_bot, at + (refusal.retry_after_s or STORE_RETRY_S))
            return False
        except StoreError:
            self._come_again(letter.to_bot, at + STORE_RETRY_S)
            return False
        if self._post.carried_by(step.message_id) is None:  # it was marked as read just then
            await keeper.withdraw([step.message_id])
        return True

    async def _take_back(self, keeper: Keeper, letter: Letter) -> bool:
        """What becomes of it is heard as the end of the message that carried it."""
        if letter.message_id not in await keeper.withdraw([letter.message_id]):
            self._post.keep(letter)
        return True

    # Hearing

    def _hear(self, recorded: Sequence[Recorded]) -> None:
        """What was committed, in order: letters change by it, and what it means for them is owed."""
        crashed: set[tuple[str, int]] = set()
        changed = set[str]()
        for entry in recorded:
            match event := entry.event:
                case ev.MessageAccepted() | ev.TurnStarted() | ev.TurnEnded():
                    self._follow(event, crashed)
                case ev.BotExited():
                    self._post.free(event.bot_id)
                    if verdict(event) is False:
                        crashed.add((event.bot_id, event.run))
                case _ if isinstance(event, _STIRRING):
                    self._again.clear()
                    self._news.set()
                case _ if isinstance(event, ev.LetterEvent):
                    self._post.fold(event)
                    changed.add(event.to_bot)
                    if isinstance(event, ev.LetterFailed | ev.LetterExpired):
                        self._lost.append(event)
        if changed:
            self._show()
            self._news.set()
        for bot_id in changed:
            self.letterbox.note(bot_id)

    def _follow(self, event: ev.MessageAccepted | ev.TurnStarted | ev.TurnEnded, crashed: set[tuple[str, int]]) -> None:
        letter = self._post.carried_by(event.message_id) if carries_letter(event.message_id) else None
        if letter is None:
            return
        match event:
            case ev.MessageAccepted():
                self._owe(taken(letter, event.at))
            case ev.TurnStarted():
                self._owe(begun(letter, event.at))
            case ev.TurnEnded():
                died = (event.bot_id, event.run) in crashed
                self._owe(ended(letter, event, crashed=died, policy=self._policy))

    def _owe(self, event: ev.LetterEvent) -> None:
        self._owed.append(event)
        self._news.set()

    def _show(self) -> None:
        self._revision += 1
        pending = sum(1 for _ in self._post.pending())
        self._around.record.show_work(letters_revision=self._revision, letters_pending=pending)

    # Writing down

    async def _write_down(self) -> bool:
        """What is owed, and what expired; False when the store takes nothing now."""
        async with self._writing:
            owed, self._owed, now = self._owed, [], time.time()
            late = [expired(letter, now) for letter in self._post.expired(now)]
            try:
                if owed or late:
                    await self._around.record.add(*owed, *late)
                await self._tell()
            except StoreError:
                self._owed = [*owed, *self._owed]
                return False
            return True

    async def _tell(self) -> None:
        """What an operator must know."""
        record, lost = self._around.record, self._lost
        while lost:
            await record.alert(losses(record.state, lost[0]))
            del lost[0]
        waiting = Counter(letter.to_bot for letter in self._post.pending())
        busiest = next((bot_id for bot_id, _ in waiting.most_common(1)), "")
        await record.alert(depths(record.state, waiting.total(), busiest=busiest, policy=self._policy))

    async def _rest(self, stored: bool) -> None:
        """Until something happens that may concern a letter, or its time comes."""
        if not stored:
            await asyncio.sleep(STORE_RETRY_S)
            return
        now, work = time.time(), self._around.record.snapshot.work
        self._again = {bot_id: at for bot_id, at in self._again.items() if at > now}
        times = [*self._again.values(), now + (MAX_WAIT_S if work.strain == "healthy" else STRAINED_WAIT_S)]
        if (at := self._post.next_at(now)) is not None:
            times.append(at)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(MIN_WAIT_S, min(times) - now)):
                await self._news.wait()

    async def _reconcile(self) -> None:
        """What became of letters while nobody listened."""
        handed_over = {letter.message_id: letter for letter in self._post if letter.message_id}
        while handed_over:
            try:
                found = await self._store.carried(handed_over)
            except StoreError:
                await asyncio.sleep(STORE_RETRY_S)
                continue
            for message_id, letter in handed_over.items():
                self._owed += resumed(letter, found.get(message_id), at=time.time(), policy=self._policy)
            return
