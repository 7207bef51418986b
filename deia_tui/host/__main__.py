"""`python -m deia_tui.host --hive DIR`: the host process of a hive."""

import sys

from deia_tui.host.newborn import Child
from deia_tui.host.start import start


def load() -> Child:
    from deia_tui.bot.process import WARM, prepare, run, warm  # slow: not before it is certain that this host is wanted

    warm()
    return Child(run=run, prepare=prepare, prepared=WARM)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:], load))
