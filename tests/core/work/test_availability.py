"""Which bots may be given tasks, and which may keep what they have."""

import pytest

from deia_tui.core.bots import AgentSpec, BotSpec, BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.state import BotView, Pause
from deia_tui.core.work.availability import keeps_tasks, unavailable

NOW = 1000.0
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="claude", kind="claude", provider="anthropic"))
PAUSES = {"anthropic": Pause(since=NOW - 10, until=NOW + 10, reason="429")}
OVER = {"anthropic": Pause(since=NOW - 10, until=NOW, reason="429")}


def bot(**changes: object) -> BotView:
    fields: dict[str, object] = {"bot_id": "B", "spec": SPEC, "state": BotState.RUNNING, **changes}
    return BotView(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("view", "pauses", "why", "keeps"),
    [
        (bot(), {}, "", True),
        (bot(state=BotState.STARTING), {}, "starting", True),
        (bot(state=BotState.STOPPING), {}, "stopping", False),
        (bot(state=BotState.BACKOFF), {}, "backoff", False),
        (bot(paused=True), {}, "B is paused", False),
        (bot(health=Health.UNHEALTHY), {}, "probes", True),
        (bot(), PAUSES, "anthropic paused", False),
        (bot(), OVER, "", True),
        (bot(breaker=Phase.HALF_OPEN), {}, "trial", True),
        (bot(breaker=Phase.OPEN, retry_at=NOW + 5), {}, "B is recovering", False),
        (bot(breaker=Phase.OPEN, retry_at=NOW), {}, "", True),
        (bot(breaker=Phase.OPEN, breaker_reason="not logged in"), {}, "not logged in", False),
    ],
)
def test_who_may_be_given_a_task_and_who_may_keep_one(
    view: BotView, pauses: dict[str, Pause], why: str, keeps: bool
) -> None:
    found = unavailable(view, pauses, NOW)
    assert why in found
    assert bool(found) == bool(why)
    assert keeps_tasks(view, pauses, NOW) is keeps
