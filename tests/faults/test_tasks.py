"""What tasks do to the bots they are given to."""

import pytest

from tests.faults.hive import FaultyHive
from tests.hives import until

QUICK = """
[tasks]
backoff_base_s = 0.05
backoff_max_s = 0.1
[restart]
backoff_base_s = 0.05
backoff_max_s = 0.1
max_restarts = 20
"""


@pytest.mark.fault(36)
def test_a_task_that_kills_its_bot_is_dead_after_its_attempts_and_others_run(hive: FaultyHive) -> None:
    eats = hive.script(
        "eater",
        """
import os, signal, sys
task = sys.stdin.read()
if "poison" in task:
    os.kill(os.getppid(), signal.SIGKILL)
print("ate", task)
""",
    )
    hive.configure(hive.agent("eater", eats), QUICK)
    hive.serve()
    hive.launch("eater", 2)
    hive.ask("POST", "/api/tasks", {"text": "poison", "task_id": "poison"})
    for number in range(8):
        hive.ask("POST", "/api/tasks", {"text": f"bread {number}", "task_id": f"bread-{number}"})

    def ended() -> bool:
        return not hive.query("SELECT 1 FROM tasks WHERE ended_at IS NULL")

    until(ended, "all tasks to end", pause=0.1)
    states = dict(hive.query("SELECT task_id, state FROM tasks"))
    assert states == {"poison": "dead", **{f"bread-{number}": "done" for number in range(8)}}
    attempts = hive.query("SELECT outcome, error FROM attempts WHERE task_id = 'poison' ORDER BY attempt")
    assert [outcome for outcome, _ in attempts] == ["failed", "failed", "failed", "dead"]
    assert all("SIGKILL" in error for _, error in attempts), "its history says why"
    assert len(hive.events("task_done")) == 8
