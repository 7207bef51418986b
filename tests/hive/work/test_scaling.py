"""A real hive that starts bots when much waits and drains them when nothing does, and how it copes as a whole."""

from pathlib import Path

from deia_tui.core import events as ev
from deia_tui.core.bots import NOT_NEEDED, BotState
from deia_tui.core.commands import AddTask, CancelTask, LaunchBots, StopAll
from deia_tui.core.state import Alert
from deia_tui.core.work.tasks import TaskState
from deia_tui.hive.hive import Hive
from tests.hive.conftest import HiveInTest

SOON = """
[scaling]
up_queue = 2
load_s = 3600
idle_s = 0.5
up_cooldown_s = 0.1
down_cooldown_s = 0.1
retry_max_s = 0.5
max_memory_percent = 1000
max_cpu_percent = 1000
"""


def worker(lab: HiveInTest, limits: str) -> Path:
    """A template whose bots work until a file is there; where it is."""
    go = lab.folder.root / "go"
    argv = ["sh", "-c", f"while [ ! -e {go} ]; do sleep 0.02; done; cat"]
    lab.configure(f'{SOON}[agents.waiter]\nkind = "command"\nargv = {argv}\n')
    (lab.folder.templates / "worker.toml").write_text(f'agent = "waiter"\n{limits}')
    return go


def live(lab: HiveInTest) -> list[str]:
    return [bot.bot_id for bot in lab.state.bots.values() if bot.state is BotState.RUNNING]


async def some_looks(lab: HiveInTest, hive: Hive) -> None:
    """For as long as scaling needs to look several times: it looks oftener than samples are taken."""
    taken = hive.snapshot().telemetry.taken
    await lab.until(lambda: hive.snapshot().telemetry.taken >= taken + 2)


def alerts(lab: HiveInTest, kind: str) -> list[Alert]:
    return [alert for alert in lab.state.alerts if alert.kind == kind]


async def test_bots_come_with_the_tasks_and_go_when_these_are_done_whoever_supervises(lab: HiveInTest) -> None:
    go = worker(lab, "min_bots = 0\nmax_bots = 3\n")
    async with lab.supervised(leave_bots=True) as hive:
        assert await hive.submit(LaunchBots(what="worker")) == ["BOT-001"]
        for number in range(9):
            await hive.submit(AddTask(text=f"task {number}"))
        await lab.until(lambda: len(live(lab)) == 3)
        assert [lab.bot(bot_id).scaled for bot_id in live(lab)] == [False, True, True]
    async with lab.supervised() as hive:
        assert [bot.scaled for bot in lab.state.bots.values()] == [False, True, True]
        go.touch()
        await lab.until(lambda: lab.bot("BOT-002").reason == NOT_NEEDED and lab.bot("BOT-003").reason == NOT_NEEDED)
        await lab.until(lambda: live(lab) == ["BOT-001"])
        assert [task.state for task in await hive.tasks()] == [TaskState.DONE] * 9
        assert {*lab.state.bots} == {"BOT-001", "BOT-002", "BOT-003"}
        go.unlink()
        for number in range(4):
            await hive.submit(AddTask(text=f"one more {number}"))
        await lab.until(lambda: len(live(lab)) > 1)
        assert {*lab.state.bots} == {"BOT-001", "BOT-002", "BOT-003"}  # those it had before
        go.touch()
    rows = lab.log("load-management")
    told = [(row["event"], row["bot_id"]) for row in rows if row["event"].startswith("scaled")]
    assert sorted(told[:4]) == [
        (f"scaled_{way}", bot_id) for way in ("down", "up") for bot_id in ("BOT-002", "BOT-003")
    ]


async def test_a_bot_that_comes_later_gets_what_the_first_was_handed_ahead(lab: HiveInTest) -> None:
    go = worker(lab, "")
    async with lab.supervised() as hive:
        await hive.submit(LaunchBots(what="worker"))
        go.touch()
        await hive.submit(AddTask(text="how long one takes"))
        await lab.until(lambda: hive.standings().bots["BOT-001"].total.samples == 1)
        go.unlink()
        for number in range(3):
            await hive.submit(AddTask(text=f"task {number}"))
        await lab.until(lambda: hive.snapshot().work.bots["BOT-001"].ahead == 2)
        assert hive.snapshot().work.waiting == 0
        await hive.submit(LaunchBots(what="worker", count=2))
        await lab.until(lambda: hive.snapshot().work.running == 3)
        go.touch()
        await lab.until(lambda: hive.snapshot().work.running == 0)
        assert [(task.state, task.tries) for task in await hive.tasks()] == [(TaskState.DONE, 1)] * 4


async def test_the_least_of_a_template_starts_with_the_hive_and_a_human_may_stop_it(lab: HiveInTest) -> None:
    worker(lab, "min_bots = 2\n").touch()
    async with lab.supervised() as hive:
        await lab.until(lambda: live(lab) == ["BOT-001", "BOT-002"])
        await hive.submit(StopAll())
        for number in range(3):
            await hive.submit(AddTask(text=f"task {number}"))
        await some_looks(lab, hive)
        assert all(bot.state is BotState.STOPPED for bot in lab.state.bots.values())
    async with lab.supervised():
        await lab.until(lambda: len(live(lab)) == 2)  # who opens the hive again wants them again


async def test_a_bot_that_is_fatal_is_replaced_but_not_without_end(lab: HiveInTest) -> None:
    lab.configure(
        SOON + '[agents.gone]\nkind = "acp"\nargv = ["false"]\n[restart]\nmax_restarts = 1\nbackoff_base_s = 0.05\n'
    )
    (lab.folder.templates / "worker.toml").write_text('agent = "gone"\nmin_bots = 1\n')
    async with lab.supervised() as hive:
        await lab.until(lambda: alerts(lab, "scaling worker"))
        assert [bot.state for bot in lab.state.bots.values()] == [BotState.FATAL] * 3
        [alert] = alerts(lab, "scaling worker")
        assert alert.text.endswith("BOT-001, BOT-002, BOT-003 are fatal: another would be, too")
        await some_looks(lab, hive)
        assert len(lab.state.bots) == 3


async def test_a_launch_that_fails_is_told_once_and_mended_by_itself(lab: HiveInTest) -> None:
    lab.configure(SOON + '[agents.gone]\nkind = "command"\nargv = ["no-such-program"]\n')
    (lab.folder.templates / "worker.toml").write_text('agent = "gone"\nmin_bots = 1\n')
    async with lab.supervised() as hive:
        await lab.until(lambda: alerts(lab, "scaling worker"))
        [alert] = alerts(lab, "scaling worker")
        assert "'no-such-program', the program of agent 'gone', is not on PATH" in alert.text
        await some_looks(lab, hive)
        raised = [entry.event for entry in await hive.events() if isinstance(entry.event, ev.AlertRaised)]
        assert [event.kind for event in raised] == ["scaling worker"]
        assert not lab.state.bots
        lab.configure(SOON + '[agents.gone]\nkind = "command"\nargv = ["cat"]\n')
        await lab.until(lambda: live(lab) == ["BOT-001"])
        await lab.until(lambda: alerts(lab, "scaling worker")[0].cleared_at)


async def test_a_long_queue_strains_the_hive_and_its_end_is_told(lab: HiveInTest) -> None:
    lab.configure("[strain]\nqueue_degraded = 3\nqueue_critical = 4\n")
    async with lab.supervised() as hive:
        tasks = [(await hive.submit(AddTask(text=f"task {number}")))[0] for number in range(4)]
        await lab.until(lambda: hive.snapshot().work.strain == "critical")
        assert hive.snapshot().work.strain_reason == "tasks that wait: 4"
        for task_id in tasks:
            await hive.submit(CancelTask(task_id=task_id))
        await lab.until(lambda: hive.snapshot().work.strain == "healthy")
        await lab.until(lambda: all(alert.cleared_at for alert in alerts(lab, "queue")))
    rows = [row for row in lab.log("health-alerts") if row["metric"] == "queue"]
    assert [row["event"] for row in rows][-2:] == ["critical_alert", "recovery_detected"]
