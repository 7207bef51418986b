"""The console on a hive whose every text is a trap, for a real terminal: `python -m tests.ui.hostile`."""

from deia_tui.ui.app import ConsoleApp, ConsoleOptions
from tests.ui.test_safety import hostile_hive

if __name__ == "__main__":
    ConsoleApp(hostile_hive(), options=ConsoleOptions()).run()
