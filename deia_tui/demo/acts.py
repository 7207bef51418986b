"""The programs of the demo's bots: `python -m deia_tui.demo.acts NAME`, the message on standard input."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path


def work() -> None:
    """Steady: looks for primes, about half of the time at work."""
    found = 0
    for block in range(8):
        ends = time.monotonic() + 0.25
        candidate = 10_000_000 + 1_000_000 * block
        while time.monotonic() < ends:
            candidate += 1
            found += all(candidate % divisor for divisor in range(2, int(candidate**0.5) + 1))
        say(f"block {block + 1} of 8: {found} primes so far")
        time.sleep(0.25)


def burn() -> None:
    """Uses a core, politely (its bot is niced), for ten minutes."""
    spins = 0
    for fives in range(120):
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            for _ in range(200_000):
                spins += 1
        say(f"{spins:,} spins in {5 * (fives + 1)} s")


def leak() -> None:
    """Remembers 40 MB more each second, up to 600 MB, and keeps them for five minutes."""
    kept: list[bytes] = []
    while len(kept) < 15:
        kept.append(os.urandom(1 << 20) * 38)
        say(f"{40 * len(kept)} MB remembered")
        time.sleep(1)
    time.sleep(300)


def crash() -> None:
    """Takes its bot down with it."""
    say("something is wrong here …")
    time.sleep(0.4)
    print("assertion failed: the impossible happened", file=sys.stderr, flush=True)
    os.kill(os.getppid(), signal.SIGSEGV)
    time.sleep(5)


def fail() -> None:
    """Fails seven times, works ten times, and so on; keeps count in its folder."""
    counter = Path("turns")
    turns = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(turns + 1))
    if turns % 17 < 7:
        say("the provider does not answer")
        sys.exit(1)
    say("back again, everything works")


def drawl() -> None:
    """Answers a word at a time."""
    for word in ANSWER.split():
        print(word, end=" ", flush=True)
        time.sleep(0.6)
    print(flush=True)


ANSWER = "Well … let me think about that … there is no need to hurry … the answer is forty-two."


def say(line: str) -> None:
    print(line, flush=True)


ACTS: dict[str, Callable[[], None]] = {act.__name__: act for act in (work, burn, leak, crash, fail, drawl)}

if __name__ == "__main__":
    sys.stdin.read()
    ACTS[sys.argv[1]]()
