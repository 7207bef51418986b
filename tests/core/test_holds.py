from dataclasses import replace

from deia_tui.core.alerts import Clear, Raise, budgets, unanswered
from deia_tui.core.bots import AgentSpec, BotSpec
from deia_tui.core.breaker import Phase
from deia_tui.core.holds import hold_of, is_guarded, next_day, over_budget
from deia_tui.core.state import Alert, Approval, BotView, HiveState, Pause
from deia_tui.core.turns import PermissionRequest

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC
SPEC = BotSpec(bot_id="A", agent=AgentSpec(name="c", kind="claude", provider="p"), budget_usd=5.0)
BOT = BotView(bot_id="A", spec=SPEC, spent_day="2025-10-09", spent_usd=1.0)
DEAR = replace(BOT, spent_usd=5.5)


def test_a_bot_is_held_by_its_budget_its_provider_or_its_breaker() -> None:
    pauses = {"p": Pause(since=NOON, until=NOON + 30, reason="429")}
    assert hold_of(BOT, {}, NOON) is None
    held = hold_of(BOT, pauses, NOON)
    assert held and (held.kind, held.until) == ("provider", NOON + 30)
    held = hold_of(DEAR, pauses, NOON)
    assert held and (held.kind, held.until) == ("budget", NOON + 12 * 3600)
    assert hold_of(DEAR, {}, next_day(NOON)) is None, "a new day"
    assert hold_of(replace(DEAR, spec=replace(SPEC, budget_usd=6.0)), {}, NOON) is None, "a larger budget"
    held = hold_of(replace(DEAR, breaker=Phase.OPEN, breaker_reason="401"), pauses, NOON)
    assert held and (held.kind, held.until) == ("breaker", None)
    assert hold_of(replace(BOT, breaker=Phase.OPEN, retry_at=NOON + 5), {}, NOON) is None, "it tries by itself"


def test_who_can_be_held_gets_one_message_at_a_time() -> None:
    free = replace(SPEC, budget_usd=None, agent=AgentSpec(name="shell", kind="shell"))
    assert not is_guarded(free)
    assert is_guarded(replace(free, budget_usd=1.0)) and is_guarded(replace(SPEC, budget_usd=None))


def test_a_refusal_names_the_budget_and_its_end() -> None:
    sentence = over_budget(DEAR, NOON)
    assert "$5.50 of its budget of $5.00" in sentence and "00:00 UTC (in 12.0 h)" in sentence


def test_spending_is_told_at_80_percent_and_at_the_end_and_forgotten_the_next_day() -> None:
    def told(bot: BotView, level: str = "", now: float = NOON) -> list[str]:
        alert = Alert(alert_id=1, bot_id="A", kind="budget", level=level, text="", action="", raised_at=NOON)
        state = HiveState(bots={"A": bot}, alerts=(alert,) if level else ())
        return [wish.level if isinstance(wish, Raise) else "clear" for wish in budgets(state, now=now)]

    warned = replace(BOT, spent_usd=4.0)
    assert (told(BOT), told(warned), told(DEAR)) == ([], ["warning"], ["critical"])
    assert (told(warned, "warning"), told(DEAR, "warning"), told(DEAR, "critical")) == ([], ["critical"], [])
    assert told(DEAR, "critical", now=next_day(NOON)) == ["clear"]
    assert told(replace(BOT, spec=replace(SPEC, budget_usd=None)), "critical") == ["clear"]


def test_a_bot_that_asks_for_long_is_an_alert_until_it_is_answered() -> None:
    request = PermissionRequest(request_id="r", tool="Bash", title="make test", input="make test", options=())
    asked = Approval(bot_id="A", run=1, message_id="m", request=request, asked_at=NOON, expires_at=NOON + 300)
    state = HiveState(bots={"A": BOT}, approvals=(asked,))
    assert list(unanswered(state, now=NOON + 29)) == []
    [wish] = unanswered(state, now=NOON + 30)
    assert isinstance(wish, Raise) and (wish.bot_id, wish.kind) == ("A", "asking") and "make test" in wish.text
    alert = Alert(alert_id=1, bot_id="A", kind="asking", level="warning", text="", action="", raised_at=NOON)
    assert list(unanswered(replace(state, alerts=(alert,)), now=NOON + 60)) == []
    assert list(unanswered(HiveState(alerts=(alert,)), now=NOON + 60)) == [Clear("A", "asking", "answered")]
