"""The load: writers who send messages and remember what they were told, and operators who change their minds."""

import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..hives import TrialHive
from .chronicle import Chronicle

AGENT_NAME = "reciter"
COMPANION_NAME = "companion"
"""The same reciter behind an agent that is kept between turns."""
MOST_BOTS = 10
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError)
_NOT_TAKEN = (404, 409, 429, 503)
"""Refusals after which nothing may be stored."""

Fate = Literal["unsent", "acknowledged", "refused", "unsure"]


@dataclass(slots=True, kw_only=True)
class Letter:
    """A message and what its writer knows of it; `unsure` when no answer came."""

    message_id: str
    bot_id: str
    verses: int
    pause_s: float
    daemons: int
    fate: Fate = "unsent"

    @property
    def text(self) -> str:
        return f"{self.message_id} {self.verses} {self.pause_s} {self.daemons}"


class Writer:
    """Sends letters to the bots there are; those whose fate is unknown again, as a careful client does."""

    def __init__(self, name: str, hive: TrialHive, chronicle: Chronicle) -> None:
        self.name = name
        self.letters: list[Letter] = []
        self._hive = hive
        self._chronicle = chronicle
        self._numbers = itertools.count(1)

    def act(self, rng: random.Random) -> None:
        letter = self._again(rng) or self._new(rng)
        if letter is None:
            return
        try:
            status, answer = self._hive.call(
                "POST", f"/api/bot/send/{letter.bot_id}", {"text": letter.text, "message_id": letter.message_id}
            )
        except _NO_ANSWER as error:
            self._learn(letter, "unsure", type(error).__name__)
        else:
            fate: Fate = "acknowledged" if status == 200 else "refused" if status in _NOT_TAKEN else "unsure"
            self._learn(letter, fate, f"{status} {answer}")

    def _again(self, rng: random.Random) -> Letter | None:
        wanted = "unsure" if rng.random() < 0.5 else "acknowledged"
        known = [letter for letter in self.letters[-20:] if letter.fate == wanted]
        return rng.choice(known) if known and rng.random() < 0.2 else None

    def _new(self, rng: random.Random) -> Letter | None:
        status = self._hive.status()
        if not status or not status["bots"]:
            return None
        letter = Letter(
            message_id=f"{self.name}-{next(self._numbers)}",
            bot_id=rng.choice(status["bots"])["id"],
            verses=rng.choice((1, 5, 20, 60, 200)),
            pause_s=rng.choice((0.0, 0.002, 0.01)),
            daemons=rng.choice((0, 0, 0, 0, 1, 2)),
        )
        self.letters.append(letter)
        return letter

    def _learn(self, letter: Letter, fate: Fate, answer: str) -> None:
        """What was acknowledged stays so; what may have been stored is never certain to be refused."""
        self._chronicle.note(self.name, f"{letter.bot_id} ← {letter.text}: {answer}")
        if fate == "acknowledged" or letter.fate in ("unsent", "refused"):
            letter.fate = fate


class Operator:
    """Launches, stops, restarts, kills and interrupts; what is answered does not matter, what is left does."""

    def __init__(self, name: str, hive: TrialHive, chronicle: Chronicle) -> None:
        self.name = name
        self._hive = hive
        self._chronicle = chronicle

    def act(self, rng: random.Random) -> None:
        status = self._hive.status()
        if status is None:
            return
        bots = [bot["id"] for bot in status["bots"]]
        off = [bot["id"] for bot in status["bots"] if bot["state"] in ("stopped", "exited", "fatal")]
        if len(off) > len(bots) / 3 or len(bots) < MOST_BOTS:
            count = rng.randint(1, 3) if len(bots) < MOST_BOTS else 1
            self._ask(
                "/api/bot/launch",
                {"what": rng.choice((AGENT_NAME, COMPANION_NAME)), "count": count, "wait": rng.random() < 0.5},
            )
        else:
            verb = rng.choices(("restart", "stop", "kill", "interrupt"), (4, 3, 2, 3))[0]
            self._ask(f"/api/bot/{verb}/{rng.choice(bots)}")

    def _ask(self, route: str, body: dict[str, object] | None = None) -> None:
        self._chronicle.note(self.name, f"asks for {route} {body or ''}")
        try:
            answer = str(self._hive.call("POST", route, body))
        except _NO_ANSWER as error:
            answer = f"{type(error).__name__} {error}"
        self._chronicle.note(self.name, f"was told, of {route}: {answer}")


class Actor:
    """Acts again and again in a thread of its own, except while it is `held`."""

    def __init__(self, name: str, act: Callable[[random.Random], None], rng: random.Random, *, pause_s: float) -> None:
        self.failure: BaseException | None = None
        self._act = act
        self._rng = rng
        self._pause_s = pause_s
        self._going = threading.Event()
        self._acting = threading.Lock()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def go(self) -> None:
        self._going.set()

    def hold(self) -> None:
        """Returns once it does nothing."""
        self._going.clear()
        with self._acting:
            return

    def end(self) -> None:
        self._over = True
        self._going.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over:
                self._going.wait()
                with self._acting:
                    if self._going.is_set() and not self._over:
                        self._act(self._rng)
                time.sleep(self._rng.uniform(0, 2 * self._pause_s))
        except BaseException as error:  # noqa: BLE001 - it fails the run, in the other thread
            self.failure = error
