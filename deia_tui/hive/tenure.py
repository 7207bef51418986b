"""One bot's run in the world: carries out what the life cycle decided, and holds the run's token and its attendance.

It decides nothing; what it learns goes to the keeper by `put`.
"""

import secrets
import signal
from collections.abc import Callable

from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import DRAIN_SIGNAL, BotSpec, BotState
from deia_tui.core.commands import AnswerPermission
from deia_tui.core.errors import CommandRejected
from deia_tui.core.passes import same, token_of
from deia_tui.engine.protocol import NotPlaced, Placed, Placement
from deia_tui.hive.attendance import Attendance
from deia_tui.hive.handover import Handover
from deia_tui.hive.launching import with_own_program
from deia_tui.hive.mail import Mail
from deia_tui.hive.messages import Messages
from deia_tui.hive.surroundings import Surroundings


class Tenure:
    def __init__(
        self, bot_id: str, around: Surroundings, messages: Messages, handover: Handover, put: Callable[[Mail], None]
    ) -> None:
        self._bot_id = bot_id
        self._around = around
        self._messages = messages
        self._handover = handover
        self._put = put
        self._attendance: Attendance | None = None
        self._token = ""

    @property
    def is_attended(self) -> bool:
        return self._attendance is not None

    def has(self, token: str) -> bool:
        """Is it that of the newest run for the API of the hive?"""
        return same(token_of(self._token), token) and bool(self._token)

    def adopt(self, placed: Placed, *, after: int) -> None:
        """Attend a run that lives; `after` is its last committed frame."""
        self._token = placed.token
        self._attend(placed, after).await_health(self._around.settings.liveness)

    def attend(self, placed: Placed) -> None:
        """Attend the run that was asked for, from its first frame."""
        self._attend(placed, 0)

    async def leave(self) -> None:
        """Attend it no more."""
        attendance, self._attendance = self._attendance, None
        if attendance is not None:
            await attendance.end()

    async def interrupt(self, life: lc.Life, message_id: str | None = None) -> None:
        """End the answer in progress, if it is to this message. Raises CommandRejected or BotUnreachable."""
        if self._attendance is None or not isinstance(life.state, lc.Running):
            raise CommandRejected(f"{self._bot_id} does not run: there is nothing to interrupt.")
        answer = await self._attendance.link.post("/interrupt", {"message_id": message_id} if message_id else None)
        if answer.get("interrupted") is None:
            raise CommandRejected(f"{self._bot_id} is idle: there is nothing to interrupt.")

    def cut_short(self) -> None:
        """End the answer in progress, if there is one and it can be."""
        if self._attendance is not None:
            self._attendance.interrupt()

    async def answer(self, command: AnswerPermission) -> None:
        """Tell the agent what it may do. Raises CommandRejected or BotUnreachable."""
        if self._attendance is None:
            raise CommandRejected(f"{self._bot_id} does not run: nobody waits for this answer.", status=404)
        body = {"outcome": command.outcome, "by": command.by, "note": command.note}
        await self._attendance.link.post(f"/permissions/{command.request_id}", body)

    def do(self, effect: lc.Effect, life: lc.Life, spec: BotSpec, nonce: str) -> None:
        """Carry out an effect that led to `life`; `nonce` marks the run a Spawn begins."""
        around, bot_id = self._around, self._bot_id
        match effect:
            case lc.Spawn(run=run):
                self._token = secrets.token_urlsafe(32)
                around.launcher.request(self._placement(spec, run, nonce))
            case lc.NoteReady():
                around.launcher.release(bot_id)
                assert self._attendance is not None
                self._attendance.serve(self._messages.outbox, self._handover.next, around.settings.liveness)
            case lc.AskToStop(run=run) | lc.KillTree(run=run) if around.launcher.withdraw(bot_id):
                self._put(NotPlaced(bot_id, run, "stopped before it started"))
            case lc.AskToStop(drain=True):
                self.drain_once_handed(life)
            case lc.AskToStop(run=run):
                self._withhold()
                around.engine.signal(bot_id, run, signal.SIGTERM)
            case lc.KillTree(run=run):
                self._withhold()
                around.engine.kill(bot_id, run)
            case lc.Rest(how=how):
                around.launcher.release(bot_id)
                if how is BotState.STOPPED:
                    around.worktrees.leave(spec)

    def _withhold(self) -> None:
        """A run that is ending gets nothing more; a wish that ends it may just have let go what was held back."""
        if self._attendance is not None:
            self._attendance.withhold()

    def drain_once_handed(self, life: lc.Life) -> None:
        """A bot that drains takes nothing new: first it gets what was acknowledged before. Told twice is told once."""
        state, attendance = life.state, self._attendance
        drains = isinstance(state, lc.Stopping) and state.deadline is None
        if drains and (attendance is None or not attendance.serves or not self._messages.waiting()):
            self._around.engine.signal(self._bot_id, life.run, DRAIN_SIGNAL)

    def insist(self, life: lc.Life) -> None:
        """There is a new host: what was asked of the old one may not have been done."""
        if isinstance(state := life.state, lc.Stopping):
            engine = self._around.engine
            if state.killed:
                engine.kill(self._bot_id, life.run)
            else:
                engine.signal(self._bot_id, life.run, DRAIN_SIGNAL if state.deadline is None else signal.SIGTERM)

    def _attend(self, placed: Placed, after: int) -> Attendance:
        self._attendance = Attendance(
            self._around.clock, self._put, run=placed.run, port=placed.port, token=self._token, after=after
        )
        return self._attendance

    def _placement(self, spec: BotSpec, run: int, nonce: str) -> Placement:
        """A run that goes on with the conversation of the one before, if that was with the same agent."""
        view, agent = self._around.record.state.bots[self._bot_id], spec.agent.name
        session = view.session.session_id if view.session and view.session.agent == agent else ""
        env = {**with_own_program(self._around.env_of(agent)), "DEIA_TOKEN": token_of(self._token)}
        return Placement(
            spec=spec, run=run, nonce=nonce, token=self._token, env=env, session=session, grants=view.grants
        )
