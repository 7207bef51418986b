"""Who plays which part in a hive under trial, and the operator who starts a supervisor again whenever there is none."""

import random
import signal
import subprocess
import time
from dataclasses import dataclass

from deia_tui.identity import Identity, ended

from ..hives import PROGRAM, TrialHive
from ..terminal import Terminal
from .chronicle import Chronicle

AGENTS = ("reciter.py", "labourer.py")
ERRORS = "serve.err"
"""Where supervisors without a screen put their standard error."""
_LOGGED = ("sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "sh")
_COMPLAINT = 600
_GIVING_WAY = 2
"""The exit status of a supervisor that finds another one."""
_ASKED_TO_END = (0, _GIVING_WAY, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everything of a hive that runs, by the part it plays."""

    supervisors: list[Identity]
    hosts: list[Identity]
    bots: list[Identity]
    agents: list[Identity]


def cast_of(hive: TrialHive) -> Cast:
    cast = Cast([], [], [], [])
    for process, line in hive.processes().items():
        if ended(process.pid):
            continue
        if "deia_tui --hive" in line:
            cast.supervisors.append(process)
        elif "deia_tui.host" in line or line.startswith("deia-host"):
            cast.hosts.append(process)
        elif line.startswith("deia-bot"):
            cast.bots.append(process)
        elif any(agent in line for agent in AGENTS):
            cast.agents.append(process)
    return cast


class Supervision:
    """`consoles` is the share of real consoles, each in a terminal of its own, among the supervisors."""

    def __init__(self, hive: TrialHive, chronicle: Chronicle, rng: random.Random, *, consoles: float) -> None:
        self.failures: list[str] = []
        self.begun = 0
        self.consoles = 0
        self._hive = hive
        self._chronicle = chronicle
        self._rng = rng
        self._share = consoles
        self._programs: list[subprocess.Popen[bytes] | Terminal] = []
        self._hung_up: list[Terminal] = []
        self._due = 0.0

    def tend(self) -> None:
        """Start one if nobody supervises; an operator takes a moment to notice. Returns at once."""
        self._bury()
        if self._programs or cast_of(self._hive).supervisors:
            self._due = 0.0
        elif not self._due:
            self._due = time.monotonic() + self._rng.uniform(0, 0.6)
        elif time.monotonic() >= self._due:
            self.begin()

    def begin(self) -> None:
        """Start one, whether there is one or not."""
        self.begun += 1
        if self._rng.random() < self._share:
            self.consoles += 1
            terminal = self._hive.console()
            self._programs.append(terminal)
            self._chronicle.note("operator", f"opens a console (pid {terminal.process.pid})")
        else:
            self._serve()

    def take_over(self) -> None:
        """Start one that takes the hive from whoever has it."""
        self.begun += 1
        self._serve("--take-over")

    def hang_up(self) -> bool:
        """The line of a console drops, if there is one."""
        for program in self._programs:
            if isinstance(program, Terminal) and program.process.poll() is None and program not in self._hung_up:
                self._hung_up.append(program)
                self._chronicle.note("operator", f"loses the line to the console (pid {program.process.pid})")
                program.hang_up()
                return True
        return False

    def _serve(self, *options: str) -> None:
        argv = [*PROGRAM, "--hive", str(self._hive.root), "serve", *options]
        program = self._hive.start([*_LOGGED, str(self._hive.root / ERRORS), *argv])
        self._programs.append(program)
        self._chronicle.note("operator", f"starts serve {' '.join(options)} (pid {program.pid})")

    def _bury(self) -> None:
        """Forget those that ended; nobody ends by itself."""
        for program in list(self._programs):
            process = program.process if isinstance(program, Terminal) else program
            if (status := process.poll()) is None:
                continue
            self._programs.remove(program)
            self._chronicle.note("operator", f"sees the supervisor (pid {process.pid}) end with {status}")
            if status not in _ASKED_TO_END:
                said = _last_words(program) if isinstance(program, Terminal) else self._complaints()
                self.failures.append(f"supervisor (pid {process.pid}) ended by itself with {status}: {said}")
            if isinstance(program, Terminal):
                program.close()
            elif program.stdout is not None:
                program.stdout.close()

    def _complaints(self) -> str:
        """The last that any supervisor without a screen wrote."""
        return (self._hive.root / ERRORS).read_text("utf-8", "replace")[-_COMPLAINT:].strip()


def _last_words(console: Terminal) -> str:
    """What it wrote after the screen."""
    return console.written().decode(errors="replace").rpartition("\x1b")[2].strip()
