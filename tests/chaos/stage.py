"""A hive under trial, the load on it, and the judgement: what every kind of chaos run has in common."""

import contextlib
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ..agents import acp_agent
from ..hives import TrialHive, trial_hive, until
from . import labourer, reciter
from .actors import AGENT_NAME, COMPANION_NAME, Actor, Operator, Writer
from .chronicle import Chronicle
from .evidence import Evidence, gather, read_diary
from .givers import FOREMAN_NAME, LABOURER_NAME, Giver
from .remains import end_all, strays
from .report import Failed, failure
from .supervision import Supervision
from .verdicts import Finding, Verdict

CALM_S = 60.0
"""So soon everything must be at rest once nobody disturbs it any more."""
_SWEPT_S = 10.0


@contextlib.contextmanager
def staged(root: Path, *, seed: str, settings: str, consoles: float, writers: int) -> Iterator["Stage"]:
    """Nothing of it survives, what escaped the hive included."""
    with trial_hive(root) as hive:
        stage = Stage(hive, seed, settings, consoles=consoles, writers=writers)
        try:
            yield stage
        finally:
            stage.chronicle.close()
            end_all(read_diary(stage.diary))


class Stage:
    def __init__(self, hive: TrialHive, seed: str, settings: str, *, consoles: float, writers: int) -> None:
        self.hive = hive
        self.seed = seed
        self.diary = hive.root / "diary"
        self._furnish(settings)
        self.chronicle = Chronicle(hive.root / "chronicle.txt")
        self.supervision = Supervision(hive, self.chronicle, self.dice("supervision"), consoles=consoles)
        self._writers = [Writer(f"writer-{number}", hive, self.chronicle) for number in range(1, writers + 1)]
        self._actors: list[Actor] = []
        self.givers: list[Giver] = []

    def dice(self, whose: str) -> random.Random:
        return random.Random(f"{self.seed} {whose}")

    @contextlib.contextmanager
    def load(self, *, operators: int) -> Iterator[list[Actor]]:
        """Actors at work, until the context is left."""
        for writer in self._writers:
            self._actors.append(Actor(writer.name, writer.act, self.dice(writer.name), pause_s=0.05))
        for number in range(1, operators + 1):
            operator = Operator(f"operator-{number}", self.hive, self.chronicle)
            self._actors.append(Actor(operator.name, operator.act, self.dice(operator.name), pause_s=0.5))
        try:
            yield self._actors
        finally:
            for actor in self._actors:
                actor.end()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """For something that must come; Failed, with what there is instead, when it does not."""
        try:
            until(condition, what, timeout=CALM_S, pause=0.1)
        except AssertionError as error:
            running = [f"{process.pid} {line}" for process, line in self.hive.processes().items()]
            state = json.dumps(self.hive.status(), indent=1)
            self.fail(self._gather(), [Finding(f"{error}\nstatus: {state}\nruns: {running}")])

    def come_to_rest(self) -> None:
        """Under a supervisor, every bot at rest and every message ended."""

        def at_rest() -> bool:
            self.supervision.tend()
            status = self.hive.status()
            return status is not None and all(map(_rests, status["bots"])) and not self._open_messages()

        self.wait(at_rest, "every bot to be at rest and every message to have ended")

    def shut_down(self) -> None:
        """In good order; nothing of the hive may run afterwards."""
        self.chronicle.note("fate", "shuts down")
        self.come_to_rest()
        self.hive.cli("shutdown")
        self.wait(lambda: not self.hive.processes(), "every process of the hive to end")

    def judge(self, verdicts: Sequence[Verdict]) -> Evidence:
        """Raises Failed if one of them finds something, or something runs that nobody knows."""
        evidence = self._gather()
        findings = [finding for verdict in verdicts for finding in verdict(evidence)]
        findings += [Finding(sentence) for sentence in self.supervision.failures]
        findings += [Finding(f"actor: {actor.failure!r}") for actor in self._actors if actor.failure]
        findings += self._strays(evidence)
        if findings:
            self.fail(evidence, findings)
        return evidence

    def fail(self, evidence: Evidence, findings: Sequence[Finding]) -> None:
        raise Failed(failure(self.seed, evidence, findings, self.chronicle, self.hive.root))

    def _furnish(self, settings: str) -> None:
        agents = (
            _declared(AGENT_NAME, reciter.__file__, self.diary),
            _declared(COMPANION_NAME, reciter.__file__, self.diary, kept=True),
            _declared(LABOURER_NAME, labourer.__file__, self.diary),
            _declared(FOREMAN_NAME, labourer.__file__, self.diary, kept=True),
        )
        self.hive.folder.create()
        self.hive.folder.hive_toml.write_text("".join(agents) + settings, encoding="utf-8")

    def _strays(self, evidence: Evidence) -> list[Finding]:
        nonces = {event["nonce"] for event in evidence.events if event["type"] == "bot_starting"}
        deadline = time.monotonic() + _SWEPT_S
        while (found := strays(self.hive, evidence.diary, nonces)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _open_messages(self) -> int:
        with closing(sqlite3.connect(f"file:{self.hive.folder.state_db}?mode=ro", uri=True, timeout=30)) as store:
            return int(store.execute("SELECT count(*) FROM messages WHERE ended_at IS NULL").fetchone()[0])

    def _gather(self) -> Evidence:
        letters = [letter for writer in self._writers for letter in writer.letters]
        given = [given for giver in self.givers for given in giver.given]
        return gather(self.hive, letters, given, self.diary)


def _declared(name: str, script: str, diary: Path, *, kept: bool = False) -> str:
    """The agent that runs this script, once a message or behind a program that stays."""
    python = [sys.executable, "-I", "-S"]
    argv = [*python, script, str(diary)]
    argv = [*python, acp_agent.__file__, "--", *argv] if kept else argv
    return f'[agents.{name}]\nkind = "{"acp" if kept else "command"}"\nargv = {json.dumps(argv)}\n'


def _rests(bot: dict[str, object]) -> bool:
    off = bot["state"] in ("stopped", "exited", "fatal")
    return off or (bot["state"] == "running" and bot["activity"] == "idle" and not bot["queued"])
