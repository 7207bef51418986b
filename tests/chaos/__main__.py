"""`python -m tests.chaos [--seed SEED] [--seconds N | --kills N | --tasks N --kills N]`: the crash test by hand, as
long as you like."""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from .kills import kill_supervisors
from .play import play
from .report import Failed
from .taskstorm import storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="what a failed run printed (default: a new one)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it storms (default: 60)")
    parser.add_argument("--kills", type=int, help="kill the supervisor alone, so many times, and nothing else")
    parser.add_argument("--tasks", type=int, help="give so many tasks, and kill any process so many times (20)")
    parser.add_argument("--bots", type=int, default=8, help="who do the tasks (default: 8)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    root = Path(tempfile.mkdtemp(prefix="deia-chaos-"))
    try:
        if options.tasks:
            kills = 20 if options.kills is None else options.kills
            print(storm(root, seed=options.seed, tasks=options.tasks, kills=kills, bots=options.bots))
        elif options.kills:
            print(kill_supervisors(root, seed=options.seed, kills=options.kills))
        else:
            print(play(root, seed=options.seed, seconds=options.seconds))
    except Failed as failed:
        print(failed)
        return 1
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
