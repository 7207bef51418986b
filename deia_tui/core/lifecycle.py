"""The life of one bot: which process should exist, from what was asked and what happened.

                 ┌────────── restart due ───────────┐
                 ▼                                  │
    Launch ─▶ Starting ─ Ready ─▶ Running ─ Exited ─▶ Backoff
                 │  └──────────── Exited ──────────▶ (policy) ─▶ Off(exited) · Off(fatal)
                 └─ Stop / Kill / Hung ─▶ Stopping ─ Exited ─▶ Off(stopped) · Starting · (policy)

A state is a value; `step` gets (life, input, now) and returns the next life and the effects to carry out, in order.
Input that makes no sense in a state raises CommandRejected when a human sent it and is ignored when it is a late
report of a former run. Times are seconds on one clock that only goes forward; `roll` on an input is uniform in [0, 1).
"""

from dataclasses import dataclass, replace
from typing import Literal

from deia_tui.core.bots import DRAINS, BotState, ExitRecord, RestartPolicy, StopReason
from deia_tui.core.errors import CommandRejected
from deia_tui.core.restart import GiveUp, RestartHistory, RestartIn, RestartLimits, StayExited, after_exit


@dataclass(frozen=True, slots=True, kw_only=True)
class LifePolicy:
    restart: RestartPolicy = RestartPolicy.PERMANENT
    limits: RestartLimits = RestartLimits()
    start_timeout_s: float = 60.0
    grace_period_s: float = 10.0


# States


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """`deadline` is set once there is a process. An `adopted` one was up before, and is being asked how it is."""

    since: float
    deadline: float | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """`then` says what follows the exit; `killed` is set once SIGKILL was sent, at `deadline` at the latest.

    A run that is drained has no deadline. `ran_s` is how long the run was up before.
    """

    since: float
    deadline: float | None
    then: Literal["stop", "restart", "policy"]
    reason: str
    ran_s: float = 0.0
    killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """No process and none to come: `how` is stopped (by a human), exited (by policy) or fatal."""

    how: Literal[BotState.STOPPED, BotState.EXITED, BotState.FATAL]


State = Starting | Running | Stopping | Backoff | Off


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    policy: LifePolicy
    state: State = Off(how=BotState.STOPPED)
    run: int = 0
    history: RestartHistory = RestartHistory()

    @property
    def deadline(self) -> float | None:
        """When to send a Tick, if nothing else happens before."""
        match self.state:
            case Starting(deadline=deadline):
                return deadline
            case Stopping(deadline=deadline, killed=False):
                return deadline
            case Backoff(due=due):
                return due
            case _:
                return None


# Inputs


@dataclass(frozen=True, slots=True)
class Launch:
    """A human wants it to run: fresh counts."""


@dataclass(frozen=True, slots=True)
class Stop:
    reason: StopReason = "stopped"


@dataclass(frozen=True, slots=True)
class Kill:
    pass


@dataclass(frozen=True, slots=True)
class Restart:
    """A human wants a fresh run."""


@dataclass(frozen=True, slots=True)
class Spawned:
    run: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    run: int
    error: str


@dataclass(frozen=True, slots=True)
class Ready:
    run: int


@dataclass(frozen=True, slots=True)
class Exited:
    run: int
    exit: ExitRecord
    roll: float


@dataclass(frozen=True, slots=True)
class Rebooted:
    """The run ended with the machine; it starts again after `wait_s`, or not at all."""

    run: int
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class Hung:
    """The liveness probe gave up on this run."""

    run: int


@dataclass(frozen=True, slots=True)
class Tick:
    pass


Input = Launch | Stop | Kill | Restart | Spawned | SpawnFailed | Ready | Exited | Rebooted | Hung | Tick


# Effects


@dataclass(frozen=True, slots=True)
class Spawn:
    run: int
    reason: str
    automatic: bool


@dataclass(frozen=True, slots=True)
class AskToStop:
    """End gracefully; with `drain` after all accepted work, however long it takes."""

    run: int
    then: Literal["stop", "restart", "policy"]
    reason: str
    drain: bool = False


@dataclass(frozen=True, slots=True)
class KillTree:
    """SIGKILL to everything of this run. `announce` is what a BotStopping must tell, if that is news."""

    run: int
    reason: str
    announce: Literal["stop", "restart", "policy"] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A restart in `delay_s` seconds."""

    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Rest:
    """The bot is off; `how` as in Off, with the reason."""

    how: Literal[BotState.STOPPED, BotState.EXITED, BotState.FATAL]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NoteReady:
    run: int


Effect = Spawn | AskToStop | KillTree | Wait | Rest | NoteReady
Step = tuple[Life, tuple[Effect, ...]]


def step(life: Life, input: Input, now: float) -> Step:
    """The next life and what to do. Raises CommandRejected, changing nothing, for a human's impossible wish."""
    match life.state, input:
        # A human's wishes
        case (Off() | Backoff(), Launch() | Restart()):
            reason = "restarted" if isinstance(input, Restart) else "launched"
            return _start(replace(life, history=RestartHistory()), now, reason)
        case Stopping() as stopping, Restart():
            return _change_mind(life, stopping, now, "restart", "restarted")
        case (_, Launch()):
            raise CommandRejected("it runs already, stop it first.")
        case (Starting() | Running(), Restart()):
            return _ask_to_stop(life, now, "restart", "restarted")
        case (Starting() | Running(), Stop(reason=reason)):
            return _ask_to_stop(life, now, "stop", reason)
        case Stopping() as stopping, Stop(reason=reason):
            return _change_mind(life, stopping, now, "stop", reason)
        case (Starting() | Running() | Stopping(), Kill()):
            return _kill(life, now, "stop", "killed", announce=True)
        case (Backoff() | Off(how=BotState.FATAL | BotState.EXITED), Stop(reason=reason)):
            return _stopped(life, reason)
        case (Backoff() | Off(how=BotState.FATAL | BotState.EXITED), Kill()):
            return _stopped(life, "killed")
        case Off(), (Stop() | Kill()):
            raise CommandRejected("it does not run.")
        # Reports of the current run
        case (
            _,
            Spawned(run=run)
            | SpawnFailed(run=run)
            | Ready(run=run)
            | Exited(run=run)
            | Rebooted(run=run)
            | Hung(run=run),
        ) if run != life.run:
            return life, ()
        case Starting() as starting, Spawned():
            return replace(life, state=replace(starting, deadline=now + life.policy.start_timeout_s)), ()
        case Starting(), Ready():
            return replace(life, state=Running(since=now)), (NoteReady(life.run),)
        case Starting(), SpawnFailed(error=error):
            return replace(life, state=Off(how=BotState.FATAL)), (Rest(BotState.FATAL, error),)
        case Stopping(then="policy", reason=reason), SpawnFailed(error=error):
            return replace(life, state=Off(how=BotState.FATAL)), (Rest(BotState.FATAL, f"{reason}: {error}"),)
        case Stopping() as stopping, SpawnFailed():
            return _ended(life, stopping, now)
        case Stopping(then="policy") as stopping, Exited(exit=exit, roll=roll):
            return _after_exit(life, replace(exit, reason=stopping.reason), now, roll)
        case Stopping() as stopping, Exited():
            return _ended(life, stopping, now)
        case Stopping(then="stop") as stopping, Rebooted():
            return _ended(life, stopping, now)
        case (Starting() | Running() | Stopping(), Rebooted(wait_s=None)):
            return _stopped(life, "not restored after the machine restarted")
        case (Starting() | Running() | Stopping(), Rebooted(wait_s=float() as wait_s)):
            return replace(life, state=Backoff(due=now + wait_s)), (Wait(wait_s, "the machine restarted"),)
        case (Starting() | Running(), Exited(exit=exit, roll=roll)):
            return _after_exit(life, exit, now, roll)
        case Running(), Hung():
            return _kill(life, now, "policy", "hung", announce=True)
        # Time
        case Starting(deadline=float() as deadline), Tick() if now >= deadline:
            return _kill(life, now, "policy", "start timeout", announce=True)
        case Stopping(deadline=float() as deadline, killed=False, then=then, reason=reason), Tick() if now >= deadline:
            return _kill(life, now, then, reason)
        case Backoff(due=due), Tick() if now >= due:
            return _start(life, now, "restart after backoff", automatic=True)
        case _:
            return life, ()


def adopt(life: Life, run: int, now: float) -> Life:
    """The life of a bot that was found running."""
    return replace(life, run=run, state=Starting(since=now, deadline=now + life.policy.start_timeout_s, adopted=True))


def _start(life: Life, now: float, reason: str, *, automatic: bool = False) -> Step:
    run = life.run + 1
    return replace(life, run=run, state=Starting(since=now)), (Spawn(run, reason, automatic),)


def _ask_to_stop(life: Life, now: float, then: Literal["stop", "restart"], reason: str) -> Step:
    was_up = isinstance(life.state, Running) or (isinstance(life.state, Starting) and life.state.adopted)
    drain = reason in DRAINS and was_up  # what never was up has no work to end
    state = Stopping(
        since=now,
        deadline=None if drain else now + life.policy.grace_period_s,
        then=then,
        reason=reason,
        ran_s=_ran_s(life, now),
    )
    return replace(life, state=state), (AskToStop(life.run, then, reason, drain),)


def _change_mind(life: Life, stopping: Stopping, now: float, then: Literal["stop", "restart"], reason: str) -> Step:
    """Another wish while it stops changes what follows the exit, announced so that the next supervisor knows; one that
    does not drain ends a drain as well."""
    hurry = stopping.deadline is None and reason not in DRAINS
    if stopping.then == then and not hurry:
        return life, ()
    deadline = now + life.policy.grace_period_s if hurry else stopping.deadline
    state = replace(stopping, then=then, reason=reason, deadline=deadline)
    if stopping.killed:
        return replace(life, state=state), (KillTree(life.run, reason, then),)
    return replace(life, state=state), (AskToStop(life.run, then, reason, drain=deadline is None),)


def _kill(
    life: Life, now: float, then: Literal["stop", "restart", "policy"], reason: str, *, announce: bool = False
) -> Step:
    state = Stopping(since=now, deadline=now, then=then, reason=reason, ran_s=_ran_s(life, now), killed=True)
    return replace(life, state=state), (KillTree(life.run, reason, then if announce else None),)


def _ended(life: Life, stopping: Stopping, now: float) -> Step:
    if stopping.then == "stop":
        return _stopped(life, stopping.reason)
    return _start(replace(life, history=RestartHistory()), now, "restarted")


def _stopped(life: Life, reason: str) -> Step:
    return replace(life, state=Off(how=BotState.STOPPED)), (Rest(BotState.STOPPED, reason),)


def _after_exit(life: Life, exit: ExitRecord, now: float, roll: float) -> Step:
    history, decision = after_exit(
        life.history,
        exit,
        policy=life.policy.restart,
        limits=life.policy.limits,
        now=now,
        ran_s=_ran_s(life, now),
        roll=roll,
    )
    life = replace(life, history=history)
    match decision:
        case RestartIn(delay_s=0.0):
            return _start(life, now, f"restart after {exit.reason or exit}", automatic=True)
        case RestartIn(delay_s=delay_s):
            reason = exit.reason or str(exit)
            return replace(life, state=Backoff(due=now + delay_s)), (Wait(delay_s, reason),)
        case GiveUp(reason=reason):
            return replace(life, state=Off(how=BotState.FATAL)), (Rest(BotState.FATAL, reason),)
        case StayExited():  # pragma: no branch (exhaustive)
            return replace(life, state=Off(how=BotState.EXITED)), (Rest(BotState.EXITED, str(exit)),)


def _ran_s(life: Life, now: float) -> float:
    match life.state:
        case Running(since=since):
            return now - since
        case Stopping(ran_s=ran_s):
            return ran_s
        case _:
            return 0.0
