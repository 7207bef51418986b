"""What is done to a hive at random instants: everything that runs is killed or frozen, alone or together."""

import random
import signal
import time
from collections.abc import Callable, Sequence

from deia_tui.identity import Identity, ended

from ..hives import TrialHive
from .chronicle import Chronicle
from .supervision import Cast, Supervision, cast_of

LONGEST_FREEZE_S = 3.0


class Blows:
    def __init__(self, hive: TrialHive, supervision: Supervision, chronicle: Chronicle, rng: random.Random) -> None:
        self.struck = 0
        self._hive = hive
        self._supervision = supervision
        self._chronicle = chronicle
        self._rng = rng
        self._frozen: list[tuple[float, Identity]] = []

    def strike(self) -> None:
        """One blow, unless there is nobody to hit."""
        blow = self._rng.choices([blow for blow, _ in _BLOWS], [weight for _, weight in _BLOWS])[0]
        self.struck += blow(self, cast_of(self._hive))

    def kill_anybody(self) -> bool:
        """One process, of any part that is there; False if there is none."""
        cast = cast_of(self._hive)
        parts = (self.kill_supervisor, self.kill_host, self.kill_bot, self.kill_agent)
        hit = any(part(cast) for part in self._rng.sample(parts, len(parts)))
        self.struck += hit
        return hit

    def thaw(self, *, everybody: bool = False) -> None:
        """Let those go on whose time has come."""
        for due, process in list(self._frozen):
            if everybody or time.monotonic() >= due:
                self._frozen.remove((due, process))
                if process.send(signal.SIGCONT):
                    self._chronicle.note("fate", f"SIGCONT to {process.pid}")

    # The blows: each returns whether it hit anybody

    def kill_supervisor(self, cast: Cast) -> bool:
        return self._kill("supervisor", cast.supervisors)

    def kill_host(self, cast: Cast) -> bool:
        return self._kill("host", cast.hosts)

    def kill_bot(self, cast: Cast) -> bool:
        return self._kill("bot", self._some(cast.bots, 1))

    def kill_bots(self, cast: Cast) -> bool:
        return self._kill("bot", self._some(cast.bots, 4))

    def kill_agent(self, cast: Cast) -> bool:
        return self._kill("agent", self._some(cast.agents, 1))

    def kill_host_and_bots(self, cast: Cast) -> bool:
        """In the same moment: nobody is left to see to what the bots leave."""
        return self._kill("host and bot", [*cast.hosts, *self._some(cast.bots, 2)])

    def kill_supervisor_and_host(self, cast: Cast) -> bool:
        return self._kill("supervisor and host", [*cast.supervisors, *cast.hosts])

    def kill_many(self, cast: Cast) -> bool:
        everybody = [*cast.supervisors, *cast.hosts, *cast.bots, *cast.agents]
        self._rng.shuffle(everybody)
        return self._kill("somebody", self._some(everybody, len(everybody)))

    def freeze_supervisor(self, cast: Cast) -> bool:
        return self._freeze("supervisor", cast.supervisors)

    def freeze_host(self, cast: Cast) -> bool:
        return self._freeze("host", cast.hosts)

    def freeze_bot(self, cast: Cast) -> bool:
        return self._freeze("bot", self._some(cast.bots, 2))

    def freeze_agent(self, cast: Cast) -> bool:
        return self._freeze("agent", self._some(cast.agents, 2))

    def freeze_and_kill_bot(self, cast: Cast) -> bool:
        victims = self._some(cast.bots, 1)
        return self._freeze("bot", victims) and self._kill("bot", victims)

    def end_supervisor(self, cast: Cast) -> bool:
        for supervisor in cast.supervisors:
            self._send(signal.SIGTERM, "supervisor", supervisor)
        return bool(cast.supervisors)

    def hang_up(self, cast: Cast) -> bool:
        return self._supervision.hang_up()

    def bring_a_rival(self, cast: Cast) -> bool:
        """Another supervisor beside the one there is: it takes over, or is refused."""
        self._supervision.begin()
        return True

    def take_over(self, cast: Cast) -> bool:
        self._supervision.take_over()
        return True

    def _some(self, among: Sequence[Identity], most: int) -> list[Identity]:
        return self._rng.sample(among, min(len(among), self._rng.randint(1, max(1, most))))

    def _kill(self, part: str, victims: Sequence[Identity]) -> bool:
        for victim in victims:
            self._send(signal.SIGKILL, part, victim)
        return bool(victims)

    def _freeze(self, part: str, victims: Sequence[Identity]) -> bool:
        for victim in victims:
            self._send(signal.SIGSTOP, part, victim)
            self._frozen.append((time.monotonic() + self._rng.uniform(0.05, LONGEST_FREEZE_S), victim))
        return bool(victims)

    def _send(self, signum: signal.Signals, part: str, victim: Identity) -> None:
        if not ended(victim.pid) and victim.send(signum):
            self._chronicle.note("fate", f"{signum.name} to {part} {victim.pid}")


_BLOWS: tuple[tuple[Callable[[Blows, Cast], bool], int], ...] = (
    (Blows.kill_supervisor, 10),
    (Blows.kill_host, 4),
    (Blows.kill_bot, 6),
    (Blows.kill_bots, 3),
    (Blows.kill_agent, 4),
    (Blows.kill_host_and_bots, 2),
    (Blows.kill_supervisor_and_host, 2),
    (Blows.kill_many, 2),
    (Blows.freeze_supervisor, 2),
    (Blows.freeze_host, 2),
    (Blows.freeze_bot, 3),
    (Blows.freeze_agent, 2),
    (Blows.freeze_and_kill_bot, 1),
    (Blows.end_supervisor, 2),
    (Blows.hang_up, 4),
    (Blows.bring_a_rival, 4),
    (Blows.take_over, 2),
)
