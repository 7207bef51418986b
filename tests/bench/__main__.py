"""`python -m tests.bench [NAME …]`: measure all of it, or what is named, and print one table."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator

from . import (
    ageing,
    claiming,
    crashing,
    flooding,
    idling,
    queueing,
    scheduling,
    screening,
    spawning,
    storing,
    streaming,
    surviving,
)
from .figures import Figure, table

MEASUREMENTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "spawn": spawning.spawn,
    "restart": spawning.restart,
    "crash": crashing.crash,
    "crash-loop": crashing.crash_loop,
    "adopt": surviving.adopt,
    "hang-up": surviving.hang_up,
    "stall": surviving.stall,
    "memory": idling.memory,
    "idle": idling.idle,
    "paint": screening.paint,
    "keys": screening.keys,
    "first-byte": streaming.first_byte,
    "streams": streaming.streams,
    "stop": idling.stop,
    "store": storing.store,
    "sampler": idling.sampler,
    "claim": claiming.claim,
    "files": claiming.many_files,
    "queue": queueing.queue,
    "year": ageing.year,
    "flood": flooding.flood,
    "scheduling": scheduling.scheduling,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(MEASUREMENTS)}")
    names = parser.parse_args().names or list(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"there is no measurement '{unknown[0]}': use {', '.join(MEASUREMENTS)}")
    load = os.getloadavg()[0]
    figures: list[Figure] = []
    for name in names:
        began = time.perf_counter()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += MEASUREMENTS[name]()
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load before: {load:.1f}\n")
    print(table(figures))


if __name__ == "__main__":
    main()
