"""The run: a hive under load, blows at random instants, check points in between, an orderly shutdown, the verdict."""

import contextlib
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ..hives import TrialHive, trial_hive, until
from . import reciter
from .actors import AGENT_NAME, Actor, Operator, Writer
from .blows import Blows
from .chronicle import Chronicle
from .evidence import Evidence, gather, read_diary
from .remains import end_all, strays
from .report import Failed, failure, summary
from .supervision import Supervision
from .verdicts import ALWAYS, AT_THE_END, Finding, Verdict

DIARY = "diary"
WRITERS = 5
OPERATORS = 2
FIRST_BOTS = 4
CONSOLES = 0.35
"""The share of real consoles among the supervisors."""
ACT_S = 15.0
"""So long it storms between two check points."""
BLOW_EVERY_S = 0.5
CALM_S = 60.0
"""So soon everything must be at rest once nobody disturbs it any more."""

SETTINGS = """
[restart]
max_restarts = 100000
backoff_base_s = 0.1
backoff_max_s = 0.5
[breaker]
cooldown_s = 0.5
[liveness]
period_s = 2.0
timeout_s = 1.0
[process]
work_grace_s = 1.0
grace_period_s = 3.0
"""


def play(root: Path, *, seed: str, seconds: float) -> str:
    """A summary of what was withstood; raises Failed."""
    with trial_hive(root) as hive:
        try:
            return Play(hive, seed, seconds).run()
        finally:
            end_all(read_diary(root / DIARY))


def furnish(hive: TrialHive, settings: str) -> Path:
    """Give the hive its settings and an agent that recites; returns its diary."""
    diary = hive.root / DIARY
    argv = [sys.executable, "-I", "-S", reciter.__file__, str(diary)]
    hive.folder.create()
    hive.folder.hive_toml.write_text(
        f"[agents.{AGENT_NAME}]\nkind = 'command'\nargv = {json.dumps(argv)}\n{settings}", encoding="utf-8"
    )
    return diary


class Play:
    def __init__(self, hive: TrialHive, seed: str, seconds: float) -> None:
        self._hive = hive
        self._seed = seed
        self._seconds = seconds
        self._diary = furnish(hive, SETTINGS)
        self._chronicle = Chronicle(hive.root / "chronicle.txt")
        self._pace = self._dice("pace")
        self._supervision = Supervision(hive, self._chronicle, self._dice("supervision"), consoles=CONSOLES)
        self._blows = Blows(hive, self._supervision, self._chronicle, self._dice("blows"))
        self._writers = [Writer(f"writer-{number}", hive, self._chronicle) for number in range(1, WRITERS + 1)]
        self._actors: list[Actor] = []

    def run(self) -> str:
        began = time.monotonic()
        try:
            self._supervision.begin()
            self._hive.launch(AGENT_NAME, FIRST_BOTS)
            with self._cast_on_stage():
                while (left := self._seconds - (time.monotonic() - began)) > 0:
                    self._storm(min(ACT_S, left))
                    self._check_point()
            return summary(self._seed, self._shut_down(), blows=self._blows.struck)
        finally:
            self._chronicle.close()

    @contextlib.contextmanager
    def _cast_on_stage(self) -> Iterator[None]:
        for writer in self._writers:
            self._actors.append(Actor(writer.name, writer.act, self._dice(writer.name), pause_s=0.05))
        for number in range(1, OPERATORS + 1):
            operator = Operator(f"operator-{number}", self._hive, self._chronicle)
            self._actors.append(Actor(operator.name, operator.act, self._dice(operator.name), pause_s=0.5))
        try:
            yield
        finally:
            self._blows.thaw(everybody=True)
            for actor in self._actors:
                actor.end()

    def _storm(self, seconds: float) -> None:
        for actor in self._actors:
            actor.go()
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            due = time.monotonic() + min(4 * BLOW_EVERY_S, self._pace.expovariate(1 / BLOW_EVERY_S))
            while time.monotonic() < due:
                self._supervision.tend()
                self._blows.thaw()
                time.sleep(0.02)
            self._blows.strike()

    def _check_point(self) -> None:
        self._chronicle.note("fate", "rests")
        self._blows.thaw(everybody=True)
        for actor in self._actors:
            actor.hold()
        self._wait(self._at_rest, "every bot to be at rest and every message to have ended")
        evidence = self._gather()
        self._judge(evidence, ALWAYS)
        self._sweep(evidence)

    def _shut_down(self) -> Evidence:
        """In good order; nothing of the hive may run afterwards."""
        self._chronicle.note("fate", "shuts down")
        self._wait(self._hive.status, "a supervisor that answers")
        self._hive.cli("shutdown")
        self._wait(lambda: not self._hive.processes(), "every process of the hive to end", tended=False)
        evidence = self._gather()
        self._judge(evidence, AT_THE_END)
        self._sweep(evidence)
        return evidence

    def _at_rest(self) -> bool:
        status = self._hive.status()
        if status is None or not all(map(_rests, status["bots"])):
            return False
        with closing(sqlite3.connect(f"file:{self._hive.folder.state_db}?mode=ro", uri=True, timeout=30)) as store:
            return not store.execute("SELECT count(*) FROM messages WHERE ended_at IS NULL").fetchone()[0]

    def _wait(self, condition: Callable[[], object], what: str, *, tended: bool = True) -> None:
        def met() -> object:
            if tended:
                self._supervision.tend()
            return condition()

        try:
            until(met, what, timeout=CALM_S, pause=0.1)
        except AssertionError as error:
            running = [f"{process.pid} {line}" for process, line in self._hive.processes().items()]
            state = json.dumps(self._hive.status(), indent=1)
            self._fail(self._gather(), [Finding(f"{error}\nstatus: {state}\nruns: {running}")])

    def _judge(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> None:
        findings = [finding for verdict in verdicts for finding in verdict(evidence)]
        findings += [Finding(sentence) for sentence in self._supervision.failures]
        findings += [Finding(f"actor: {actor.failure!r}") for actor in self._actors if actor.failure]
        if findings:
            self._fail(evidence, findings)

    def _sweep(self, evidence: Evidence) -> None:
        nonces = {event["nonce"] for event in evidence.events if event["type"] == "bot_starting"}
        try:
            until(lambda: not strays(self._hive, evidence.diary, nonces), "strays to end", timeout=10, pause=0.2)
        except AssertionError:
            found = strays(self._hive, evidence.diary, nonces)
            self._fail(evidence, [Finding(f"runs although nobody knows it: {stray}") for stray in found])

    def _gather(self) -> Evidence:
        letters = [letter for writer in self._writers for letter in writer.letters]
        return gather(self._hive, letters, self._diary)

    def _fail(self, evidence: Evidence, findings: Sequence[Finding]) -> None:
        raise Failed(failure(self._seed, evidence, findings, self._chronicle, self._hive.root))

    def _dice(self, whose: str) -> random.Random:
        return random.Random(f"{self._seed} {whose}")


def _rests(bot: dict[str, object]) -> bool:
    off = bot["state"] in ("stopped", "exited", "fatal")
    return off or (bot["state"] == "running" and bot["activity"] == "idle" and not bot["queued"])
