"""What each input means in each state; test_stop_wins.py lets them come in any order."""

from dataclasses import replace
from itertools import product

import pytest

from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotState, ExitRecord, RestartPolicy
from deia_tui.core.errors import CommandRejected
from deia_tui.core.restart import RestartHistory

NOW = 1000.0
RUN = 3
CRASH = lc.Exited(RUN, ExitRecord(at=0.0, code=1), roll=0.5)
CLEAN = lc.Exited(RUN, ExitRecord(at=0.0, code=0), roll=0.5)
POLICY = lc.LifePolicy()
UNCOUNTED = RestartHistory()
CROWDED = RestartHistory(exits=(NOW - 5, NOW - 4, NOW - 3, NOW - 2, NOW - 1), step=5)

NEW = lc.Starting(since=NOW)
STARTING = lc.Starting(since=NOW - 5, deadline=NOW + 55)
ADOPTED = replace(STARTING, adopted=True)
RUNNING = lc.Running(since=NOW - 70)
BACKOFF = lc.Backoff(due=NOW + 4)
STOPPED = lc.Off(how=BotState.STOPPED)
EXITED = lc.Off(how=BotState.EXITED)
FATAL = lc.Off(how=BotState.FATAL)


def stopping(then: str = "stop", reason: str = "stopped", *, killed: bool = False) -> lc.Stopping:
    assert then in ("stop", "restart", "policy")
    deadline = NOW if killed else NOW + 9
    return lc.Stopping(since=NOW - 1, deadline=deadline, then=then, reason=reason, ran_s=70.0, killed=killed)


STOPPING = [stopping(then, killed=killed) for then in ("stop", "restart", "policy") for killed in (False, True)]
DRAINING = replace(stopping("stop", "drained"), deadline=None)
ALL_STATES: list[lc.State] = [NEW, STARTING, ADOPTED, RUNNING, BACKOFF, STOPPED, EXITED, FATAL, *STOPPING, DRAINING]


def life(state: lc.State, *, history: RestartHistory = UNCOUNTED, policy: lc.LifePolicy = POLICY) -> lc.Life:
    return lc.Life(policy=policy, state=state, run=RUN, history=history)


def asked(then: str, reason: str) -> lc.Stopping:
    """As it is right after a graceful stop began, from RUNNING."""
    return replace(stopping(then, reason), since=NOW, deadline=NOW + 10)


def killed(then: str, reason: str, *, ran_s: float = 70.0) -> lc.Stopping:
    return replace(stopping(then, reason, killed=True), since=NOW, ran_s=ran_s)


@pytest.mark.parametrize(
    ("state", "input", "after", "effects"),
    [
        # A human's wishes
        (STOPPED, lc.Launch(), NEW, [lc.Spawn(4, "launched", False)]),
        (EXITED, lc.Restart(), NEW, [lc.Spawn(4, "restarted", False)]),
        (FATAL, lc.Restart(), NEW, [lc.Spawn(4, "restarted", False)]),
        (BACKOFF, lc.Launch(), NEW, [lc.Spawn(4, "launched", False)]),
        (RUNNING, lc.Stop(), asked("stop", "stopped"), [lc.AskToStop(3, "stop", "stopped")]),
        (RUNNING, lc.Restart(), asked("restart", "restarted"), [lc.AskToStop(3, "restart", "restarted")]),
        (RUNNING, lc.Kill(), killed("stop", "killed"), [lc.KillTree(3, "killed", "stop")]),
        (STARTING, lc.Kill(), killed("stop", "killed", ran_s=0.0), [lc.KillTree(3, "killed", "stop")]),
        (BACKOFF, lc.Stop(), STOPPED, [lc.Rest(BotState.STOPPED, "stopped")]),
        (BACKOFF, lc.Kill(), STOPPED, [lc.Rest(BotState.STOPPED, "killed")]),
        (FATAL, lc.Stop(), STOPPED, [lc.Rest(BotState.STOPPED, "stopped")]),
        (EXITED, lc.Kill(), STOPPED, [lc.Rest(BotState.STOPPED, "killed")]),
        # … while it stops already: only what follows changes
        (stopping("stop"), lc.Stop(), stopping("stop"), []),
        (stopping("stop"), lc.Restart(), stopping("restart", "restarted"), [lc.AskToStop(3, "restart", "restarted")]),
        (stopping("restart"), lc.Stop(), stopping("stop"), [lc.AskToStop(3, "stop", "stopped")]),
        (
            stopping("policy", "hung", killed=True),
            lc.Stop(),
            stopping("stop", killed=True),
            [lc.KillTree(3, "stopped", "stop")],
        ),
        (stopping("restart"), lc.Kill(), killed("stop", "killed"), [lc.KillTree(3, "killed", "stop")]),
        # … after all accepted work
        (RUNNING, lc.Stop("drained"), replace(DRAINING, since=NOW), [lc.AskToStop(3, "stop", "drained", True)]),
        (
            ADOPTED,
            lc.Stop("all drained"),
            replace(DRAINING, since=NOW, reason="all drained", ran_s=0.0),
            [lc.AskToStop(3, "stop", "all drained", True)],
        ),
        (
            STARTING,
            lc.Stop("drained"),
            replace(asked("stop", "drained"), ran_s=0.0),
            [lc.AskToStop(3, "stop", "drained")],
        ),
        (DRAINING, lc.Stop("drained"), DRAINING, []),
        (
            DRAINING,
            lc.Stop(),
            replace(DRAINING, reason="stopped", deadline=NOW + 10),
            [lc.AskToStop(3, "stop", "stopped")],
        ),
        (
            DRAINING,
            lc.Restart(),
            replace(DRAINING, then="restart", reason="restarted", deadline=NOW + 10),
            [lc.AskToStop(3, "restart", "restarted")],
        ),
        (stopping("stop"), lc.Stop("drained"), stopping("stop"), []),
        (DRAINING, CLEAN, STOPPED, [lc.Rest(BotState.STOPPED, "drained")]),
        # The machine restarted
        (RUNNING, lc.Rebooted(3, 2.5), lc.Backoff(due=NOW + 2.5), [lc.Wait(2.5, "the machine restarted")]),
        (stopping("restart"), lc.Rebooted(3, 2.5), lc.Backoff(due=NOW + 2.5), [lc.Wait(2.5, "the machine restarted")]),
        (stopping("stop"), lc.Rebooted(3, 2.5), STOPPED, [lc.Rest(BotState.STOPPED, "stopped")]),
        (
            STARTING,
            lc.Rebooted(3, None),
            STOPPED,
            [lc.Rest(BotState.STOPPED, "not restored after the machine restarted")],
        ),
        # Reports of the current run
        (NEW, lc.Spawned(3), replace(NEW, deadline=NOW + 60), []),
        (NEW, lc.SpawnFailed(3, "no such program"), FATAL, [lc.Rest(BotState.FATAL, "no such program")]),
        (STARTING, lc.Ready(3), lc.Running(since=NOW), [lc.NoteReady(3)]),
        (RUNNING, lc.Hung(3), killed("policy", "hung"), [lc.KillTree(3, "hung", "policy")]),
        (STARTING, lc.Hung(3), STARTING, []),
        (RUNNING, lc.Ready(3), RUNNING, []),
        (RUNNING, CRASH, NEW, [lc.Spawn(4, "restart after exit 1", True)]),
        (STARTING, CRASH, NEW, [lc.Spawn(4, "restart after exit 1", True)]),
        (stopping("stop"), CRASH, STOPPED, [lc.Rest(BotState.STOPPED, "stopped")]),
        (stopping("restart"), CLEAN, NEW, [lc.Spawn(4, "restarted", False)]),
        (stopping("policy", "hung"), CLEAN, NEW, [lc.Spawn(4, "restart after hung", True)]),
        (stopping("stop"), lc.SpawnFailed(3, "x"), STOPPED, [lc.Rest(BotState.STOPPED, "stopped")]),
        (stopping("restart"), lc.SpawnFailed(3, "x"), NEW, [lc.Spawn(4, "restarted", False)]),
        (
            stopping("policy", "start timeout"),
            lc.SpawnFailed(3, "no room"),
            FATAL,
            [lc.Rest(BotState.FATAL, "start timeout: no room")],
        ),
        # Late ones: the run is over
        (BACKOFF, CRASH, BACKOFF, []),
        (STOPPED, CRASH, STOPPED, []),
        (STOPPED, lc.Ready(3), STOPPED, []),
    ],
)
def test_the_table(state: lc.State, input: lc.Input, after: lc.State, effects: list[lc.Effect]) -> None:
    moved, found = lc.step(life(state), input, NOW)
    assert (moved.state, list(found)) == (after, effects)


@pytest.mark.parametrize(
    ("state", "due", "after", "effect"),
    [
        (STARTING, NOW + 55, {"then": "policy", "killed": True}, lc.KillTree(3, "start timeout", "policy")),
        (stopping("stop"), NOW + 9, {"then": "stop", "killed": True}, lc.KillTree(3, "stopped")),
        (stopping("restart", "restarted"), NOW + 9, {"then": "restart"}, lc.KillTree(3, "restarted")),
        (BACKOFF, NOW + 4, {"since": NOW + 4}, lc.Spawn(4, "restart after backoff", True)),
    ],
)
def test_time_out(state: lc.State, due: float, after: dict[str, object], effect: lc.Effect) -> None:
    waiting = life(state)
    assert waiting.deadline == due
    assert lc.step(waiting, lc.Tick(), due - 0.001) == (waiting, ()), "too early"
    moved, effects = lc.step(waiting, lc.Tick(), due)
    assert effects == (effect,)
    assert {name: getattr(moved.state, name) for name in after} == after


@pytest.mark.parametrize("state", [NEW, RUNNING, STOPPED, FATAL, stopping(killed=True), DRAINING])
def test_nothing_to_wait_for(state: lc.State) -> None:
    assert life(state).deadline is None
    assert lc.step(life(state), lc.Tick(), NOW + 1e9) == (life(state), ())


@pytest.mark.parametrize(
    ("states", "wish", "sentence"),
    [
        ([NEW, STARTING, RUNNING, *STOPPING], lc.Launch(), "it runs already, stop it first."),
        ([STOPPED], lc.Stop(), "it does not run."),
        ([STOPPED], lc.Kill(), "it does not run."),
    ],
)
def test_impossible_wishes_are_refused(states: list[lc.State], wish: lc.Input, sentence: str) -> None:
    for state in states:
        with pytest.raises(CommandRejected) as refusal:
            lc.step(life(state), wish, NOW)
        assert (str(refusal.value), refusal.value.status) == (sentence, 409)


@pytest.mark.parametrize("run", [1, 2, 4])
def test_reports_of_other_runs_change_nothing(run: int) -> None:
    reports = [
        lc.Spawned(run),
        lc.SpawnFailed(run, "x"),
        lc.Ready(run),
        lc.Hung(run),
        lc.Exited(run, ExitRecord(at=0.0, code=1), roll=0.5),
        lc.Rebooted(run, 1.0),
    ]
    for state, report in product(ALL_STATES, reports):
        assert lc.step(life(state), report, NOW) == (life(state), ())


@pytest.mark.parametrize("wish", [lc.Launch(), lc.Restart()])
def test_a_human_gives_fresh_counts(wish: lc.Launch | lc.Restart) -> None:
    launched, _ = lc.step(life(FATAL, history=CROWDED), wish, NOW)
    assert launched.history == RestartHistory()


def test_a_restart_of_a_running_bot_gives_fresh_counts_too() -> None:
    stopping, _ = lc.step(life(RUNNING, history=CROWDED), lc.Restart(), NOW)
    started, _ = lc.step(stopping, CLEAN, NOW)
    assert (started.run, started.history) == (RUN + 1, RestartHistory())


def test_six_starts_exactly_then_fatal() -> None:
    """A bot that dies at once, with the longest delays."""
    now, bot = NOW, lc.Life(policy=POLICY)
    bot, effects = lc.step(bot, lc.Launch(), now)
    waits = []
    while not isinstance(bot.state, lc.Off):
        if isinstance(bot.state, lc.Backoff):
            now = bot.state.due
            bot, effects = lc.step(bot, lc.Tick(), now)
        else:
            now += 0.01
            bot, effects = lc.step(bot, lc.Exited(bot.run, ExitRecord(at=0.0, code=1), roll=1 - 2**-53), now)
            waits += [round(effect.delay_s) for effect in effects if isinstance(effect, lc.Wait)]
    assert (bot.state, bot.run, waits) == (FATAL, 6, [1, 2, 4, 8])
    assert effects == (lc.Rest(BotState.FATAL, "6 exits within 10 min, last: exit 1"),)


@pytest.mark.parametrize(
    ("policy", "exit", "after", "effect"),
    [
        (RestartPolicy.PERMANENT, CLEAN, lc.Starting, lc.Spawn(4, "restart after exit 0", True)),
        (RestartPolicy.TRANSIENT, CLEAN, lc.Off, lc.Rest(BotState.EXITED, "exit 0")),
        (RestartPolicy.TRANSIENT, CRASH, lc.Starting, lc.Spawn(4, "restart after exit 1", True)),
        (RestartPolicy.TEMPORARY, CRASH, lc.Off, lc.Rest(BotState.EXITED, "exit 1")),
    ],
)
def test_the_restart_policy(policy: RestartPolicy, exit: lc.Exited, after: type, effect: lc.Effect) -> None:
    moved, effects = lc.step(life(RUNNING, policy=lc.LifePolicy(restart=policy)), exit, NOW)
    assert isinstance(moved.state, after)
    assert effects == (effect,)


def test_a_crash_loop_waits_between_restarts_and_says_why() -> None:
    once = RestartHistory(exits=(NOW - 1,), step=1)
    crashed, effects = lc.step(life(STARTING, history=once), CRASH, NOW)
    assert crashed.state == lc.Backoff(due=NOW + 0.5)
    assert effects == (lc.Wait(0.5, "exit 1"),)
    _, effects = lc.step(life(replace(killed("policy", "hung"), ran_s=5.0), history=once), CRASH, NOW)
    assert effects == (lc.Wait(0.5, "hung"),)


def test_the_delay_is_reset_by_a_run_that_was_stable_before_it_hung() -> None:
    bot, _ = lc.step(life(RUNNING, history=replace(CROWDED, exits=CROWDED.exits[:2])), lc.Hung(3), NOW)
    bot, effects = lc.step(bot, CRASH, NOW + 1)
    assert effects == (lc.Spawn(4, "restart after hung", True),)
    assert bot.history == RestartHistory(exits=(*CROWDED.exits[:2], NOW + 1), step=1)


def test_a_start_that_takes_too_long_is_killed_and_counts_as_an_exit() -> None:
    bot, _ = lc.step(life(STARTING, history=CROWDED), lc.Tick(), NOW + 55)
    bot, effects = lc.step(bot, CRASH, NOW + 56)
    assert bot.state == FATAL
    assert effects == (lc.Rest(BotState.FATAL, "6 exits within 10 min, last: exit 1"),)


def test_a_bot_that_was_found_running_is_given_a_start_time_out() -> None:
    adopted = lc.adopt(life(RUNNING, history=CROWDED), 7, NOW)
    assert adopted == replace(life(lc.Starting(since=NOW, deadline=NOW + 60, adopted=True), history=CROWDED), run=7)
