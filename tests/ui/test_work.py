"""The mode Work: its sections and reasons, one task in full, orders to tasks, and that little is read."""

import time

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.turns import PlanEntry, Usage
from deia_tui.core.work.tasks import Candidate
from deia_tui.ui.app import ConsoleOptions
from deia_tui.ui.modes.work import WorkMode
from deia_tui.ui.orders import READ_ONLY
from deia_tui.ui.panes.tasks import PAGE
from deia_tui.ui.taskrows import short
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive


def a_hive() -> ScriptedHive:
    hive = ScriptedHive()
    hive.run("BOT-001", "BOT-002")
    return hive


def busy_hive() -> ScriptedHive:
    """A task in every state."""
    hive = a_hive()
    for number, title in enumerate(("run", "handed", "wait", "dead", "done", "gone")):
        hive.queue(f"T-{number}", f"{title} it", at=time.time() - 100 + number)
    hive.assign("T-3", "BOT-002")
    hive.end_task("T-3", "dead", error="four times the same error")
    hive.assign("T-4", "BOT-002")
    hive.end_task("T-4", "done")
    hive.record(ev.TaskCancelled(at=time.time(), task_id="T-5", by="ann"))
    hive.assign("T-0", "BOT-001")
    hive.assign("T-1", "BOT-001", starts=False)
    return hive


def mode(screen: Screen) -> WorkMode:
    found = screen.app._main.mode
    assert isinstance(found, WorkMode)
    return found


async def go_to_work(screen: Screen, *seen: str) -> None:
    await screen.press("w")
    await screen.sees(*(seen or ("BOT OR REASON",)))


async def test_tasks_stand_in_sections_each_with_who_has_it_or_why_nobody_has() -> None:
    async with shown(busy_hive()) as screen:
        await go_to_work(screen, "RUNNING  1", "HANDED TO A BOT  1", "WAITING  1", "DEAD  1", "ENDED LATELY")
        assert "● running   P2  T-0   run it" in screen.line("T-0   run it")
        assert "next for BOT-001" in screen.line("T-1   handed it")
        assert "○ waiting" in screen.line("T-2   wait it")
        assert "four times the same error" in screen.line("T-3   dead it")
        assert "✓ done" in screen.line("T-4   done it")
        assert "by ann" in screen.line("T-5   gone it")


def test_the_random_end_of_an_id_stands_without_half_a_word_before_it() -> None:
    assert short("mend-the-retry-of-paymen-rybxdfz5") == "…rybxdfz5   "
    assert short("a" * 20) == f"…{'a' * 11}"
    assert short("T-7", 5) == "T-7  "


async def test_a_task_that_runs_again_does_not_say_why_it_failed_before() -> None:
    hive = a_hive()
    hive.queue("T-1", "again")
    hive.assign("T-1", "BOT-001")
    hive.end_task("T-1", "retry", error="exit 77")
    hive.assign("T-1", "BOT-001")
    async with shown(hive) as screen:
        await go_to_work(screen, "● running since", "failed: exit 77")
        assert screen.text().count("exit 77") == 1


async def test_the_header_counts_work_and_says_how_the_hive_copes() -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        await screen.sees("○ 1 waiting", "● 2 running", "✖ 1 dead", "healthy")
        hive.strain("degraded")
        await screen.sees("DEGRADED")


async def test_a_waiting_task_says_what_it_waits_for_and_how_far_a_running_one_is() -> None:
    hive = a_hive()
    hive.queue("T-1", "first", at=time.time() - 9)
    hive.queue("T-2", "second", after=("T-1",))
    hive.queue("T-3", "third", to="BOT-007")
    message = hive.assign("T-1", "BOT-001")
    async with shown(hive) as screen:
        await go_to_work(screen, "waits for T-1 (running)", "there is no BOT-007")
        plan = (PlanEntry(content="look", status="completed"), PlanEntry(content="mend"))
        hive.record(
            ev.PlanChanged(at=0.0, bot_id="BOT-001", run=1, message_id=message, entries=plan, source_seq=7),
            ev.TaskChanged(at=0.0, task_id="T-3", by="human", held="not today"),
        )
        await screen.sees("BOT-001 · 1 of 2 steps", "held: not today")


async def test_all_about_one_task() -> None:
    hive = a_hive()
    hive.queue("T-1", "mend the clock", "Mend the clock.\nIt is wall time.", sender="ann", priority=1)
    hive.assign("T-1", "BOT-002", reasons=("best at code",))
    hive.end_task("T-1", "retry", error="exit 7")
    message = hive.assign("T-1", "BOT-001")
    hive.answer("BOT-001", message, "I use the monotonic one.\n")
    used = Usage(model="sonnet", input_tokens=100, output_tokens=10)
    hive.record(
        ev.UsageReported(at=0.0, bot_id="BOT-001", run=1, message_id=message, usage=used, source_seq=9, cost_usd=0.0123)
    )
    async with shown(hive) as screen:
        await go_to_work(screen, "Task · T-1", "It is wall time.", "from ann", "try 2 · P1")
        assert "failed: exit 7" in screen.line("BOT-002  failed")
        await screen.sees("best at code · 80% sure", "I use the monotonic one.")
        hive.finish("BOT-001", message)
        hive.end_task("T-1", "done")
        await screen.sees("$0.0123")
        hive.record(ev.TaskFiled(at=0.0, task_id="T-1", response="T-1-RESPONSE.md"))
        await screen.sees("answer in hive/responses/T-1-RESPONSE.md")


async def test_who_would_be_chosen_for_a_waiting_task_and_why() -> None:
    hive = a_hive()
    hive.choice = (Candidate("BOT-002", 0.91), Candidate("BOT-001", 0.5))
    hive.reasons = ("best at code",)
    hive.queue("T-1")
    async with shown(hive) as screen:
        await go_to_work(screen, "BOT-002 0.91 · BOT-001 0.50", "best at code")


async def test_an_answer_that_goes_on_is_read_as_it_grows() -> None:
    hive = a_hive()
    message = hive.assign(hive.queue("T-1"), "BOT-001")
    async with shown(hive) as screen:
        await go_to_work(screen, "answering…")
        hive.answer("BOT-001", message, "step one\n")
        await screen.sees("step one")
        hive.answer("BOT-001", message, "step two\n")
        await screen.sees("step two")


async def test_the_cursor_follows_the_task_through_its_states() -> None:
    hive = a_hive()
    for number in range(5):
        hive.queue(f"T-{number}", at=time.time() - 50 + number)
    async with shown(hive) as screen:
        await go_to_work(screen, "T-4")
        await screen.press("j", "j")
        await screen.sees("Task · T-2")
        hive.assign("T-2", "BOT-001")
        await screen.sees("RUNNING  1")
        hive.end_task("T-2", "done")
        await screen.sees("ENDED LATELY")
        assert mode(screen)._list.table.cursor == "T-2"


async def test_sections_are_jumped_to_and_headings_are_passed_by() -> None:
    async with shown(busy_hive()) as screen:
        await go_to_work(screen, "Task · T-0")
        for task_id in ("T-1", "T-2", "T-3"):
            await screen.press("n")
            await screen.sees(f"Task · {task_id}")
        await screen.press("j")
        await screen.sees("Task · T-5")
        await screen.press("k", "N")
        await screen.sees("Task · T-2")
        await screen.press("g", "k")
        await screen.sees("Task · T-0")


async def test_of_thousands_of_tasks_a_few_are_read_and_more_when_they_are_reached() -> None:
    hive = a_hive()
    for number in range(1000):
        hive.queue(f"T-{number:04d}", at=number)
    async with shown(hive) as screen:
        await go_to_work(screen, "WAITING  1,000", "Task · T-0000")
        assert max(limit for _, _, limit in hive.asked) <= 2 * PAGE
        await screen.press("G")
        await screen.until(lambda: len(mode(screen)._list.table.tasks) == 2 * PAGE)
        await screen.press("g")
        hive.queue("T-new")
        await screen.until(lambda: len(mode(screen)._list.table.tasks) == PAGE)


async def test_what_is_hidden_reads_nothing() -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        hive.queue("T-7")
        await screen.sees("○ 2 waiting")
        assert not hive.asked
        await go_to_work(screen, "T-7")
        await screen.press("h")
        await screen.sees("Bots")
        asked = len(hive.asked)
        hive.queue("T-8")
        await screen.sees("○ 3 waiting")
        assert len(hive.asked) == asked
        await go_to_work(screen, "T-8")


async def test_a_filter_finds_tasks_and_escape_goes_back_step_by_step() -> None:
    async with shown(busy_hive()) as screen:
        await go_to_work(screen, "T-2")
        await screen.press("slash")
        await screen.write("dead")
        await screen.sees("1 found")
        await screen.misses("T-2   wait it")
        await screen.press("enter", "v")
        await screen.sees("1 marked")
        await screen.press("escape")
        await screen.sees("T-2   wait it", "1 marked")
        await screen.press("escape")
        await screen.misses("1 marked")
        await screen.press("escape")
        await screen.sees("Bots")


@pytest.mark.parametrize(
    ("task", "key", "command"),
    [
        (2, "x", cmd.CancelTask(task_id="T-2")),
        (3, "r", cmd.RetryTask(task_id="T-3")),
        (2, "H", cmd.ChangeTask(task_id="T-2", held="by hand")),
        (2, "plus", cmd.ChangeTask(task_id="T-2", priority=1)),
        (2, "minus", cmd.ChangeTask(task_id="T-2", priority=3)),
    ],
)
async def test_orders_go_to_the_task_at_the_cursor(task: int, key: str, command: cmd.Command) -> None:
    async with shown(busy_hive()) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press(*["n"] * task)
        await screen.sees(f"Task · T-{task}")
        await screen.press(key)
        await screen.gave(command)


@pytest.mark.parametrize(
    ("task", "key", "sentence"),
    [(3, "x", "What has ended cannot be cancelled"), (2, "r", "Only what is dead"), (3, "H", "A task that has ended")],
)
async def test_what_an_order_is_not_for_is_said(task: int, key: str, sentence: str) -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press(*["n"] * task, key)
        await screen.sees(sentence)
        assert not hive.given


async def test_cancelling_what_runs_asks_first_and_letting_it_run_is_the_answer_of_enter() -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press("x")
        await screen.sees("Cancel T-0?", "Its bot is interrupted")
        await screen.press("enter")
        await screen.misses("Cancel T-0?")
        assert not hive.given
        await screen.press("x")
        await screen.sees("Cancel T-0?")
        await screen.press("right", "enter")
        await screen.gave(cmd.CancelTask(task_id="T-0"))


async def test_several_are_marked_and_held_with_one_key_and_released_with_another() -> None:
    hive = a_hive()
    for number in range(3):
        hive.queue(f"T-{number}", at=time.time() - 50 + number)
    async with shown(hive) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press("v", "v")
        await screen.sees("2 marked")
        await screen.press("H")
        await screen.gave(cmd.ChangeTask(task_id="T-1", held="by hand"))
        assert cmd.ChangeTask(task_id="T-0", held="by hand") in hive.given
        await screen.misses("2 marked")
        await screen.press("g")
        await screen.until(lambda: "held: by hand" in screen.line("T-0   T-0"))
        await screen.press("H")
        await screen.gave(cmd.ChangeTask(task_id="T-0", held=""))


async def test_all_that_is_dead_is_tried_again_after_asking_with_the_number() -> None:
    hive = a_hive()
    for number in range(1200):
        hive.queue(f"T-{number:04d}", at=number)
        hive.record(ev.TaskDied(at=number, task_id=f"T-{number:04d}", bot_id="", attempt=0, reason="no"))
    async with shown(hive) as screen:
        await go_to_work(screen, "DEAD  1,200")
        await screen.press("D")
        await screen.sees("Retry 1,200 dead tasks?")
        await screen.press("right", "enter")
        await screen.until(lambda: len(hive.given) == 1200)
        await screen.sees("WAITING  1,200")


async def test_a_task_is_given_to_another_bot() -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press("n", "n", "a")
        await screen.sees("Give T-2 to", "anyone")
        await screen.press("j", "j", "enter")
        await screen.gave(cmd.ChangeTask(task_id="T-2", to="BOT-002"))


async def test_enter_reads_zooms_and_b_goes_to_the_bot() -> None:
    async with shown(busy_hive()) as screen:
        await go_to_work(screen, "Task · T-0")
        await screen.press("enter", "enter")
        await screen.misses("BOT OR REASON")
        await screen.press("y")
        await screen.until(lambda: screen.app.clipboard == "run it")
        await screen.press("escape")
        await screen.sees("BOT OR REASON")
        await screen.press("b")
        await screen.sees("Chat · BOT-001")


async def test_alerts_and_modes_are_reached_from_everywhere() -> None:
    hive = busy_hive()
    async with shown(hive) as screen:
        hive.alert("BOT-002", "memory is high")
        await go_to_work(screen, "▲ 1 alert")
        await screen.press("1")
        await screen.sees("Chat · BOT-002")
        await screen.press("m")
        await screen.sees("Inboxes")
        await screen.press("exclamation_mark")
        await screen.until(lambda: screen.app.focused is screen.app._main.hive._alerts)
        await screen.press("w")
        await screen.sees("BOT OR REASON")
        await screen.press("question_mark")
        await screen.sees("Help: Work", "Try all dead tasks anew")
        await screen.misses("Kill its whole process tree")
        await screen.press("escape", "colon")
        await screen.sees("Retry dead (D)")


async def test_read_only_changes_no_task() -> None:
    hive = busy_hive()
    async with shown(hive, options=ConsoleOptions(read_only=True)) as screen:
        await go_to_work(screen, "Task · T-0")
        for key in ("x", "H", "plus", "a", "D", "t"):
            await screen.press(key)
            await screen.sees(READ_ONLY[:40])
        assert not hive.given


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20), (40, 10), (3, 2)])
async def test_every_size_shows_what_fits(size: tuple[int, int]) -> None:
    async with shown(busy_hive(), size=size) as screen:
        await screen.press("w")
        await screen.until(lambda: mode(screen)._list.table.tasks)
        assert all(len(line) <= size[0] for line in screen.lines())
        if size[0] >= 60:
            await screen.sees("running", "run it", "BOT-001", "? Help")
        if size[0] >= 80:
            await screen.sees("Task · T-0", "T-0")
        await screen.press("enter", "tab", "t", "escape", "h")
        await screen.until(lambda: screen.app._main.mode is screen.app._main.hive)


async def test_ascii_draws_work_with_ascii_only() -> None:
    async with shown(busy_hive(), options=ConsoleOptions(ascii=True)) as screen:
        await go_to_work(screen, "* running", "X dead")
        assert screen.text().isascii()
        await screen.press("t")
        await screen.sees("New task")
        assert screen.text().isascii()


async def test_only_rows_that_changed_are_drawn_again() -> None:
    hive = a_hive()
    for number in range(20):
        hive.queue(f"T-{number:02d}", at=time.time() - 90_000 + number)
    async with shown(hive) as screen:
        await go_to_work(screen, "T-19")
        table = mode(screen)._list.table
        drawn = list(table._drawn)
        hive.record(ev.TaskChanged(at=0.0, task_id="T-07", by="ann", held="later"))
        await screen.sees("held: later")
        changed = [y for y, (old, new) in enumerate(zip(drawn, table._drawn, strict=True)) if old != new]
        assert len(changed) == 1


async def test_a_bot_tells_its_task_and_the_chat_what_a_message_is_for() -> None:
    hive = a_hive()
    hive.assign(hive.queue("T-9", "mend the clock"), "BOT-001")
    async with shown(hive) as screen:
        assert "T-9 mend the clock" in screen.line("● busy")
        await screen.sees("task T-9")
