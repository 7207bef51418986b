"""Who is chosen and why, what results teach, and what is odd."""

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core import events as ev
from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.bots import AgentSpec, BotSpec, BotState, Health
from deia_tui.core.breaker import Phase
from deia_tui.core.scheduling.oddities import Oddity, alarms
from deia_tui.core.scheduling.performance import Performance, SchedulingPolicy, evidence, moved
from deia_tui.core.scheduling.scheduler import Choice, Contender, Scheduler, contender, verdict
from deia_tui.core.scheduling.standings import bot, export, recommendation, task_type
from deia_tui.core.state import Alert, BotView, HiveState
from deia_tui.core.turns import Failure
from deia_tui.core.work.tasks import LOW, NORMAL, URGENT, TaskType

CODE, OTHER = TaskType.CODE, TaskType.OTHER
NEVER, AT_ONCE = 0.999, 0.0
"""What chance says of trying somebody."""
NUMBERS = count()


def taught(
    scheduler: Scheduler,
    bot_id: str,
    results: str,
    *,
    kind: TaskType = CODE,
    duration_s: float = 40.0,
    at: float = 0.0,
) -> Scheduler:
    """`results`: + for a task that was done, - for one that failed."""
    for result in results:
        scheduler.note(
            scheduler.record_performance(
                bot_id,
                kind,
                f"t{next(NUMBERS)}",
                succeeded=result == "+",
                duration_s=duration_s,
                tokens=100,
                at=at,
            )
        )
    return scheduler


def chosen(scheduler: Scheduler, *who: Contender, priority: int = NORMAL, chance: float = NEVER) -> Choice:
    choice = scheduler.choose(CODE, who, priority=priority, now=0.0, chance=chance)
    assert choice is not None
    return choice


A, B = Contender(bot_id="A"), Contender(bot_id="B")


# Choosing


def test_nobody_contends() -> None:
    assert Scheduler().choose(CODE, [], priority=NORMAL, now=0.0, chance=0.5) is None


def test_who_does_such_tasks_better_gets_them_and_why() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 12), "B", "+-+-+-")
    choice = chosen(scheduler, A, B)
    assert choice.bot_id == "A"
    assert choice.reasons == ("does code well: 100% of 12 done, 40 s each", "idle")
    assert [one.bot_id for one in choice.candidates] == ["A", "B"]
    assert choice.candidates[0].score > choice.candidates[1].score
    assert 0.8 < choice.confidence < 1
    assert not choice.explored


def test_who_is_as_good_and_faster_gets_them() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 9, duration_s=300), "B", "+" * 9)
    assert chosen(scheduler, A, B).bot_id == "B"
    busy = chosen(scheduler, replace(A, in_hand=0), replace(B, in_hand=1, busy_s=900))
    assert busy.bot_id == "A", "what goes on for long goes on for longer"
    assert busy.reasons[0] == "does code well: 100% of 9 done, 5 min each"


def test_who_has_less_to_do_gets_it_and_the_surer_one_is_named() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 12), "B", "+++++-+++++-")
    choice = chosen(scheduler, replace(A, in_hand=4), B)
    assert choice.bot_id == "B"
    assert choice.reasons[-1] == "A is surer, but has 4 before it"
    assert chosen(scheduler, replace(A, in_hand=1), replace(B, in_hand=2)).reasons[1] == "1 before it"
    slow = taught(taught(Scheduler(), "A", "+" * 12, duration_s=9000), "B", "+++++-+++++-")
    assert chosen(slow, A, B).reasons[-1] == "A is surer, but takes longer"


def test_who_is_new_is_tried_first_but_not_with_what_is_urgent() -> None:
    scheduler = taught(Scheduler(), "A", "+++")
    choice = chosen(scheduler, A, B)
    assert (choice.bot_id, choice.explored) == ("B", True)
    assert choice.reasons[0] == "explored: 0 of 3 samples"
    assert chosen(scheduler, A, B, priority=URGENT).bot_id == "A"
    assert chosen(scheduler, A, replace(B, in_hand=1)).bot_id == "A", "who has work already is not tried"
    new = Scheduler()
    assert {chosen(new, A, B, chance=one).bot_id for one in (0.1, 0.9, 1.0)} == {"A", "B"}


def test_now_and_then_another_is_tried_the_one_longest_not_tried() -> None:
    scheduler = Scheduler()
    for one, at in (("A", 3.0), ("B", 2.0), ("C", 1.0)):
        taught(scheduler, one, "++++" if one == "A" else "+-+-", at=at)
    choice = chosen(scheduler, A, B, Contender(bot_id="C"), chance=0.01)
    assert (choice.bot_id, choice.reasons[0], choice.explored) == ("C", "explored: longest not tried", True)
    assert chosen(scheduler, A, B, chance=NEVER).bot_id == "A"
    assert chosen(scheduler, A, B, chance=0.01, priority=URGENT).bot_id == "A"
    assert chosen(scheduler, A, chance=0.01).reasons[-1] == "nobody else may take it"


def test_what_is_urgent_goes_to_whoever_can_begin_it() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 12), "B", "+-+-+-+-")
    busy = replace(A, in_hand=1)
    assert chosen(scheduler, busy, B, priority=LOW).bot_id == "A"
    assert chosen(scheduler, busy, B, priority=URGENT).bot_id == "B"
    assert chosen(scheduler, busy, replace(B, in_hand=1), priority=URGENT).bot_id == "A"


def test_a_bot_that_is_not_well_comes_last() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 9), "B", "---")
    unwell = replace(A, is_sound=False)
    assert chosen(scheduler, unwell, B).bot_id == "B"
    alone = chosen(scheduler, unwell)
    assert (alone.bot_id, alone.reasons[-1]) == ("A", "not well, but nobody else may")


def test_a_breaker_that_lets_one_call_through_is_tried_now_and_then() -> None:
    scheduler = taught(taught(Scheduler(), "A", "+" * 9), "B", "+++")
    trial = replace(A, on_trial=True)
    assert chosen(scheduler, trial, B).bot_id == "B"
    tried = chosen(scheduler, trial, B, chance=AT_ONCE)
    assert (tried.bot_id, tried.reasons[0]) == ("A", "tried: its breaker lets one call through")
    assert chosen(scheduler, trial).bot_id == "A", "where there is nobody else"


def test_what_is_known_of_other_types_is_said() -> None:
    scheduler = taught(Scheduler(), "A", "+++-", kind=TaskType.WRITING)
    best = scheduler.get_best_bot_for_task(CODE, [A], now=0.0)
    assert best is not None
    assert best.reasons[0] == "new to code, at all else: 71% of 4 done, 40 s each"
    scheduler = taught(Scheduler(), "A", "+-+-+-+-", kind=OTHER, duration_s=7200)
    best = scheduler.get_best_bot_for_task(OTHER, [A], now=0.0)
    assert best is not None
    assert best.reasons[0].startswith("does other work: ")
    assert best.reasons[0].endswith("2.0 h each")
    failing = taught(Scheduler(), "A", "---").get_best_bot_for_task(CODE, [A], now=0.0)
    assert failing is not None
    assert failing.reasons[0] == "does code: 0% of 3 done"


# Probability


def test_confidence_comes_from_above_where_little_is_known() -> None:
    scheduler = taught(Scheduler(), "A", "-" * 9, kind=TaskType.WRITING)
    taught(scheduler, "B", "+" * 9, kind=TaskType.WRITING)
    good, bad = (scheduler.choose(CODE, [one], priority=URGENT, now=0.0, chance=1.0) for one in (B, A))
    assert good is not None
    assert bad is not None
    assert good.confidence > bad.confidence, "who fails at all else will fail at this"


def test_what_is_old_says_less() -> None:
    scheduler = taught(Scheduler(), "A", "-" * 9)
    soon = scheduler.get_best_bot_for_task(CODE, [A], now=0.0)
    late = scheduler.get_best_bot_for_task(CODE, [A], now=30 * 86_400.0)
    assert soon is not None
    assert late is not None
    assert soon.confidence < 0.4 < 0.7 < late.confidence


@given(st.text(alphabet="+-", max_size=60), st.floats(0, 1e9))
def test_confidence_and_scores_are_shares(results: str, now: float) -> None:
    choice = taught(Scheduler(), "A", results).get_best_bot_for_task(CODE, [A], now=now)
    assert choice is not None
    assert 0 < choice.confidence < 1
    assert 0 < choice.candidates[0].score < 1


def test_averages() -> None:
    assert moved(0.0, 1.0, 1, 0.1) == pytest.approx(1.0)
    assert moved(1.0, 0.0, 2, 0.1) == pytest.approx(0.9 / 1.9)
    assert evidence(0, 0.1) == 0
    assert evidence(1, 0.1) == pytest.approx(1)
    assert evidence(1000, 0.1) == pytest.approx(19)


# Learning


def test_a_trend_and_its_end() -> None:
    scheduler = taught(Scheduler(), "A", "+" * 30)
    trends = []
    for result in "-" * 6 + "+" * 40:
        event = scheduler.record_performance("A", CODE, "t", succeeded=result == "+", duration_s=40, tokens=100, at=0.0)
        scheduler.note(event)
        if event.performance.trend != event.former_trend:
            trends.append(event.performance.trend)
    assert trends == ["declining", "steady"]
    falling = taught(Scheduler(), "A", "+" * 30 + "-" * 6)
    assert chosen(falling, A).reasons[2:3] == ("declining",)
    rising = taught(Scheduler(), "A", "-" * 30 + "+" * 8)
    assert "improving" in chosen(rising, A).reasons


def test_two_results_that_are_stored_together_both_count() -> None:
    scheduler = Scheduler()
    first = scheduler.record_performance("A", CODE, "1", succeeded=True, duration_s=1, tokens=0, at=1.0)
    second = scheduler.record_performance(
        "A", CODE, "2", succeeded=False, duration_s=1, tokens=0, at=1.0, before=first.performance
    )
    assert (second.performance.samples, second.performance.done) == (2, 1)
    assert scheduler.get_bot_stats("A").parts == {}, "nothing is known before it is stored"


def test_the_score_is_by_what_is_usual_now() -> None:
    scheduler = taught(Scheduler(), "A", "++++", duration_s=100)
    assert scheduler.update_efficiency_score("A", CODE) == pytest.approx(1.0)
    taught(scheduler, "B", "+" * 20, duration_s=50)
    slower = scheduler.update_efficiency_score("A", CODE)
    assert 0.8 < slower < 1
    assert scheduler.get_task_stats(CODE).parts["A"].score == slower
    assert scheduler.update_efficiency_score("C", CODE) == 0


def test_what_ends_of_attempts_say_of_the_bot() -> None:
    put_back = ev.TaskPutBack(at=0, task_id="t", bot_id="A", attempt=1, reason="", counted=True)
    died = ev.TaskDied(at=0, task_id="t", bot_id="A", attempt=1, reason="")
    assert verdict(ev.TaskDone(at=0, task_id="t", bot_id="A", attempt=1, duration_s=1)) is True
    assert verdict(put_back) is False
    assert verdict(replace(put_back, counted=False)) is None
    assert verdict(died) is False
    assert verdict(replace(died, failure=Failure.REQUEST)) is None, "what was asked is wrong, whoever is asked"
    assert verdict(replace(died, attempt=0, bot_id="")) is None


def test_who_contends_is_seen_as_it_is() -> None:
    spec = BotSpec(bot_id="A", agent=AgentSpec(name="shell", kind="shell"))
    view = BotView(bot_id="A", spec=spec, state=BotState.RUNNING, since=100.0, health=Health.OK)
    assert contender(view, in_hand=2, now=101.0, busy_s=3.0) == Contender(bot_id="A", in_hand=2, busy_s=3.0)
    assert not contender(replace(view, restarts=1), in_hand=0, now=120.0).is_sound
    assert contender(replace(view, restarts=1), in_hand=0, now=170.0).is_sound
    assert not contender(replace(view, health=Health.UNHEALTHY), in_hand=0, now=170.0).is_sound
    assert not contender(replace(view, state=BotState.STOPPING), in_hand=0, now=170.0).is_sound
    assert contender(replace(view, breaker=Phase.OPEN), in_hand=0, now=170.0).on_trial


# Telling, forgetting


def test_what_was_learned_is_told_kept_and_forgotten() -> None:
    scheduler = taught(taught(Scheduler(), "A", "++++"), "B", "+--")
    rows = scheduler.export_performance_data()
    assert [(row["bot_id"], row["task_type"], row["samples"], row["done"]) for row in rows] == [
        ("A", "code", 4, 4),
        ("B", "code", 3, 1),
    ]
    standings = scheduler.standings(["A", "B", "C"], now=0.0)
    assert list(standings.bots) == ["A", "B", "C"]
    assert bot("A", standings)["types"]["code"]["success_rate"] == 1
    assert bot("C", standings) == {"bot_id": "C", "total": bot("C", standings)["total"], "types": {}, "odd": []}
    assert task_type(CODE, standings)["bots"].keys() == {"A", "B"}
    assert export(standings) == rows
    [for_code] = standings.recommendations
    assert recommendation(for_code)["candidates"][0]["bot_id"] == for_code.bot_id == "A"
    known = {("A", CODE): scheduler.get_bot_stats("A").parts["code"]}
    again = Scheduler(known=known)
    assert again.get_bot_stats("A").parts == scheduler.get_bot_stats("A").parts
    assert again.get_bot_stats("A").total.samples == 4
    again.note(again.reset_bot_history("A", at=9.0))
    again.note(ev.BotPaused(at=9.0, bot_id="A"))
    assert again.export_performance_data() == []
    assert again.get_recommendations(["A"], now=9.0) == []


def test_means_of_what_never_succeeded() -> None:
    never = Performance(samples=5, success_rate=0.0, expected=0.5, at=1.0)
    assert Scheduler(known={("A", CODE): never}).get_bot_stats("A").total.duration_s == 0


# Odd patterns


def test_a_bot_that_gets_nothing_though_it_could_is_told_of() -> None:
    policy = SchedulingPolicy(starved_s=60, starved_choices=5, explore_share=0.0)
    scheduler = taught(taught(Scheduler(policy), "A", "+" * 9), "B", "---")
    for now in range(0, 100, 10):
        scheduler.choose(CODE, [A, B], priority=NORMAL, now=float(now), chance=NEVER)
    [odd] = scheduler.odd_patterns(["A", "B"], now=90.0)
    assert odd == Oddity("B", "starved", "got none of 10 tasks in 90 s though it could: 0% of 3 done")
    assert scheduler.odd_patterns(["A"], now=90.0) == []
    assert scheduler.odd_patterns(["A", "B"], now=30.0) == [], "not yet"
    scheduler.choose(CODE, [B], priority=NORMAL, now=91.0, chance=NEVER)
    assert scheduler.odd_patterns(["A", "B"], now=92.0) == []
    for now in range(100):
        scheduler.choose(CODE, [A, Contender(bot_id="N", in_hand=9)], priority=NORMAL, now=now, chance=NEVER)
    [new] = scheduler.odd_patterns(["N"], now=99.0)
    assert new.text.endswith("it has done none yet")


def test_confidence_that_does_not_come_true_is_told_of() -> None:
    scheduler = taught(Scheduler(), "A", "+" * 30 + "-" * 4)
    [odd] = scheduler.odd_patterns(["A"], now=0.0)
    assert (odd.bot_id, odd.kind) == ("A", "drift")
    assert odd.text.endswith(" came true")
    taught(scheduler, "A", "+" * 30)
    assert scheduler.odd_patterns(["A"], now=0.0) == []


def test_oddities_are_alerts_once_and_end() -> None:
    odd = Oddity("A", "drift", "90% success was expected lately, 50% came true")
    [raised] = alarms([odd], HiveState())
    assert isinstance(raised, Raise)
    assert (raised.bot_id, raised.kind, raised.text) == ("A", "drift", odd.text)
    about = {"level": "info", "text": "", "action": "", "raised_at": 1.0}
    alerts = tuple(
        Alert(alert_id=number, bot_id="A", kind=kind, **about)  # type: ignore[arg-type]
        for number, kind in enumerate(("drift", "starved", "crash"))
    )
    assert list(alarms([odd], HiveState(alerts=alerts))) == [Clear("A", "starved", "gets tasks again")]
    assert list(alarms([], HiveState(alerts=alerts[:1]))) == [Clear("A", "drift", "comes true again")]
