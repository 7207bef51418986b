"""A bot whose human, host and process do as they please, in any order, at any time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deia_tui.core import lifecycle as lc
from deia_tui.core.bots import BotState, ExitRecord, RestartPolicy
from deia_tui.core.errors import CommandRejected

exits = st.builds(
    ExitRecord, at=st.just(0.0), code=st.sampled_from([0, 1, None]), signal=st.sampled_from([None, "SIGKILL"])
)
rolls = st.floats(0, 1, exclude_max=True)


class World(RuleBasedStateMachine):
    """Carries out effects as the world would, and holds `lifecycle.step` to its promises.

    `process` is the run that exists (once it is `made`) or is to be made, `doomed` once SIGKILL was sent; `wanted` is
    the human's last word; `crashes` are the times of exits that were nobody's wish since a human asked for a start.
    """

    @initialize(policy=st.sampled_from(RestartPolicy))
    def begin(self, policy: RestartPolicy) -> None:
        self.life = lc.Life(policy=lc.LifePolicy(restart=policy))
        self.now = 0.0
        self.process: int | None = None
        self.wanted = False
        self.made = self.doomed = self.drains = False
        self.crashes: list[float] = []

    # A human

    @rule()
    def launch(self) -> None:
        if self._take(lc.Launch()):
            self.wanted = True

    @rule()
    def restart(self) -> None:
        assert self._take(lc.Restart()), "a restart is always possible"
        self.wanted = True

    @rule(wish=st.sampled_from([lc.Stop(), lc.Stop("drained"), lc.Stop("all stopped"), lc.Kill()]))
    def stop(self, wish: lc.Stop | lc.Kill) -> None:
        before = self.life.state
        self.wanted = False
        if not self._take(wish):
            assert before == lc.Off(how=BotState.STOPPED), "only a stopped bot cannot be stopped"

    # The world

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 9.0, 30.0, 61.0, 599.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._take(lc.Tick())

    @rule()
    def the_next_deadline_comes(self) -> None:
        self.now = max(self.now, self.life.deadline or 0.0)
        self._take(lc.Tick())

    @precondition(lambda self: self.process)
    @rule()
    def the_process_reports(self) -> None:
        assert self.process
        self.made = True
        self._take(lc.Spawned(self.process))

    @precondition(lambda self: self.process and self.made)
    @rule()
    def the_process_is_ready(self) -> None:
        assert self.process
        self._take(lc.Ready(self.process))

    @precondition(lambda self: self.process)
    @rule()
    def the_process_hangs(self) -> None:
        assert self.process
        self._take(lc.Hung(self.process))

    @precondition(lambda self: self.process)
    @rule(exit=exits, roll=rolls)
    def the_process_exits(self, exit: ExitRecord, roll: float) -> None:
        assert self.process
        run, self.process = self.process, None
        if not isinstance(self.life.state, lc.Stopping) or self.life.state.then == "policy":
            self.crashes.append(self.now)
        self._take(lc.Exited(run, exit, roll))

    @precondition(lambda self: self.process and not self.made)
    @rule()
    def the_process_cannot_be_made(self) -> None:
        assert self.process
        run, self.process = self.process, None
        self._take(lc.SpawnFailed(run, "no such program"))

    @precondition(lambda self: self.life.run > (self.process is not None))
    @rule(data=st.data(), exit=exits)
    def a_report_comes_late(self, data: st.DataObject, exit: ExitRecord) -> None:
        over = self.life.run - (self.process is not None)
        run = data.draw(st.integers(1, over))
        reports = [lc.Spawned(run), lc.SpawnFailed(run, "x"), lc.Ready(run), lc.Hung(run), lc.Exited(run, exit, 0.5)]
        before = self.life
        self._take(data.draw(st.sampled_from(reports)))
        assert self.life == before

    # Its promises

    @invariant()
    def a_process_is_there_exactly_in_the_states_that_have_one(self) -> None:
        has_one = isinstance(self.life.state, lc.Starting | lc.Running | lc.Stopping)
        assert has_one is (self.process is not None)

    @invariant()
    def a_human_stop_is_on_its_way_or_done(self) -> None:
        if not self.wanted:
            match self.life.state:
                case lc.Stopping(then=then):
                    assert then == "stop"
                case state:
                    assert state == lc.Off(how=BotState.STOPPED)

    @precondition(lambda self: self.process)
    @rule(wait_s=st.sampled_from([None, 0.0, 4.0]))
    def the_machine_restarts(self, wait_s: float | None) -> None:
        assert self.process
        run, self.process = self.process, None
        self._take(lc.Rebooted(run, wait_s))
        self.wanted = self.wanted and wait_s is not None

    @invariant()
    def whatever_does_not_end_by_itself_has_a_deadline(self) -> None:
        match self.life.state:
            case lc.Starting():
                assert self.made is (self.life.deadline is not None)
            case lc.Stopping(deadline=None):
                assert self.drains, "only a human's wish lets a run take as long as it wants"
            case lc.Backoff() | lc.Stopping(killed=False):
                assert self.life.deadline is not None
            case lc.Stopping(killed=True):
                assert self.doomed, "somebody must have sent SIGKILL"

    def teardown(self) -> None:
        """Whatever came before: Stop, then nothing but time and the end of what was killed, leave it stopped."""
        if not hasattr(self, "life") or self.life.state == lc.Off(how=BotState.STOPPED):
            return
        self.stop(lc.Stop())
        if self.process:
            self.the_next_deadline_comes()
            assert self.doomed
            self.the_process_exits(ExitRecord(at=0.0, signal="SIGKILL"), 0.0)
        assert self.life.state == lc.Off(how=BotState.STOPPED)
        self.time_passes(1e6)
        assert self.process is None

    def _take(self, input: lc.Input) -> bool:
        """False when a wish was refused."""
        before = self.life
        try:
            self.life, effects = lc.step(before, input, self.now)
        except CommandRejected:
            assert isinstance(input, lc.Launch | lc.Stop | lc.Kill), "the world is never refused"
            assert self.life == before
            return False
        for effect in effects:
            self._do(effect)
        return True

    def _do(self, effect: lc.Effect) -> None:
        match effect:
            case lc.Spawn(run=run, automatic=automatic):
                assert self.process is None, "never two runs at once"
                assert run == self.life.run
                self.process, self.made, self.doomed, self.drains = run, False, False, False
                if automatic:
                    assert self.wanted, "never again after a human's stop"
                    assert sum(self.now - at < 600 for at in self.crashes) <= 5
                else:
                    self.crashes.clear()
            case lc.Wait(delay_s=delay_s):
                assert 0 <= delay_s <= 60
                assert self.life.state == lc.Backoff(due=self.now + delay_s)
            case lc.AskToStop(run=run, drain=drain):
                assert run == self.process
                self.drains = drain
            case lc.KillTree(run=run):
                assert run == self.process
                self.doomed = True
            case lc.Rest(how=how):
                assert self.life.state == lc.Off(how=how)
                assert self.process is None
            case lc.NoteReady(run=run):
                assert (run, self.life.state) == (self.process, lc.Running(since=self.now))


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=250, stateful_step_count=40)
