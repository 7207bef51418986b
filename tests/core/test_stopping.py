"""What a stop waits for, in words."""

from dataclasses import replace

import pytest

from deia_tui.core.bots import AgentSpec, BotSpec, BotState
from deia_tui.core.state import BotView
from deia_tui.core.stopping import progress, waits_for

AT = 1000.0
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"), work_grace_s=8.0)
STOPPING = BotView(bot_id="B", spec=SPEC, state=BotState.STOPPING, reason="stopped", since=AT, due_at=AT + 10)
WORKING = replace(STOPPING, task="make tea", queued=(("m", "next"), ("n", "last")))


@pytest.mark.parametrize(
    ("bot", "after_s", "words"),
    [
        (replace(STOPPING, state=BotState.RUNNING), 1.0, ""),
        (STOPPING, 0.4, "0 s"),
        (STOPPING, 3.0, "SIGKILL in 7 s"),
        (STOPPING, 12.0, "SIGKILL in 0 s"),
        (WORKING, 3.0, '5 s left for "make tea" and 2 more'),
        (WORKING, 9.0, "SIGKILL in 1 s"),
        (replace(WORKING, reason="killed", due_at=None), 2.0, "2 s"),
        (replace(WORKING, reason="drained", due_at=None), 60.0, 'finishes "make tea" and 2 more'),
        (replace(STOPPING, reason="all drained", due_at=None), 60.0, "finishes its work"),
    ],
)
def test_why_a_bot_has_not_ended(bot: BotView, after_s: float, words: str) -> None:
    assert waits_for(bot, AT + after_s) == words


def test_a_few_are_named_and_the_others_counted() -> None:
    assert progress([], 9) == ""
    assert progress([("A", "1 s"), ("B", "")], 9) == "waiting for 2 of 9: A (1 s), B"
    five = [(name, "") for name in "ABCDE"]
    assert progress(five, 5) == "waiting for 5 of 5: A, B, C, 2 more"
