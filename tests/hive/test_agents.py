"""What agents do beside answering, as the hive keeps it: requests for leave, kinds of failure, what work costs."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from deia_tui.core import commands as cmd
from deia_tui.core import events as ev
from deia_tui.core.bots import BotState
from deia_tui.core.breaker import Phase
from deia_tui.core.conversation import Leave, Text, Tool, Used
from deia_tui.core.errors import CommandRejected
from deia_tui.core.state import Approval
from deia_tui.core.turns import Failure
from deia_tui.hive.hive import Hive
from deia_tui.store.store import Store
from tests.hive.conftest import HiveInTest

REPLICA = Path(__file__).parents[1] / "agents" / "claude_replica.py"
ACP_AGENT = REPLICA.with_name("acp_agent.py")
ASK = '[[tool:Bash:{"command": "echo done"}]]'


def configure(lab: HiveInTest, *sections: str) -> None:
    """The agent keeps its conversations in the folder of the hive."""
    lab.configure(
        f"""
[agents.claude]
kind = "claude"
argv = [{sys.executable!r}, "-S", "-E", {str(REPLICA)!r}]
env = {{ HOME = {str(lab.folder.root)!r} }}
"""
        + "\n".join(sections)
    )


async def ask(hive: Hive, text: str, bot_id: str = "BOT-001") -> str:
    [message_id] = await hive.submit(cmd.SendMessage(bot_id=bot_id, text=text))
    return message_id


async def until_asked(lab: HiveInTest) -> Approval:
    await lab.until(lambda: lab.state.approvals)
    return lab.state.approvals[0]


async def of_type(hive: Hive, kind: type) -> list[ev.Event]:
    return [entry.event for entry in await hive.events(limit=5000) if isinstance(entry.event, kind)]


async def test_what_it_does_is_in_the_chat_in_order_and_priced(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        message_id = await ask(hive, ASK)
        request = (await until_asked(lab)).request
        await hive.submit(cmd.AnswerPermission(request_id=request.request_id, outcome="allow_once", by="ana"))
        await lab.answer("BOT-001", message_id)
        [turn] = await hive.chat("BOT-001")
        before, *_ = [part for part in turn.parts if isinstance(part, Text)]
        [leave] = [part for part in turn.parts if isinstance(part, Leave)]
        [tool] = [part for part in turn.parts if isinstance(part, Tool)]
        assert str(before) == "Using a tool. " and turn.answer.endswith("tool result: done")
        assert (leave.request, leave.outcome, leave.by) == (request, "allow_once", "ana")
        assert (tool.call.status, tool.call.output) == ("completed", "done")
        used = turn.parts[-1]
        assert isinstance(used, Used) and used.cost_usd is not None and used.all_priced
        assert lab.bot().spent_usd == pytest.approx(used.cost_usd) and used.cost_usd > 0
        [row, *more] = await hive.costs(since_day="2020-01-01")
        assert sum(cost.cost_usd for cost in (row, *more)) == pytest.approx(used.cost_usd)
        [events] = [await hive.chat("BOT-001", before=turn.number + 1)]
        assert events == [turn]


async def test_of_two_answers_one_counts(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        message_id = await ask(hive, ASK)
        request = (await until_asked(lab)).request
        answers = (
            cmd.AnswerPermission(request_id=request.request_id, outcome="allow_once", by="ana"),
            cmd.AnswerPermission(request_id=request.request_id, outcome="reject_once", by="bob"),
        )
        done = await asyncio.gather(*map(hive.submit, answers), return_exceptions=True)
        [refused] = [answer for answer in done if isinstance(answer, CommandRejected)]
        assert refused.status in (404, 409) and "not open" in str(refused)
        await lab.answer("BOT-001", message_id)
        [told] = await of_type(hive, ev.PermissionAnswered)
        assert isinstance(told, ev.PermissionAnswered)
        assert told.by == ("ana" if done[0] == [] else "bob")
        with pytest.raises(CommandRejected, match="not open"):
            await hive.submit(answers[0])


async def test_who_still_waits_is_still_asked_after_a_take_over(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised(leave_bots=True) as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        message_id = await ask(hive, ASK)
        before = await until_asked(lab)
    async with lab.supervised() as hive:
        assert lab.state.approvals == (before,)
        await lab.until(lambda: lab.bot().state is BotState.RUNNING)
        request_id = before.request.request_id
        await hive.submit(cmd.AnswerPermission(request_id=request_id, outcome="reject_once", note="not now"))
        text, turn = await lab.answer("BOT-001", message_id)
        assert turn.status == "answered" and "not now" in text
        assert lab.state.approvals == ()


async def test_a_request_of_a_bot_that_died_is_closed_on_record(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        message_id = await ask(hive, ASK)
        request_id = (await until_asked(lab)).request.request_id
        pid = lab.bot().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _, turn = await lab.answer("BOT-001", message_id)
        assert turn.status == "interrupted"
        [closed] = await of_type(hive, ev.PermissionAnswered)
        assert isinstance(closed, ev.PermissionAnswered)
        assert (closed.request_id, closed.outcome, closed.source_seq) == (request_id, "cancelled", 0)
        assert lab.state.approvals == ()
        with pytest.raises(CommandRejected, match="not open"):
            await hive.submit(cmd.AnswerPermission(request_id=request_id, outcome="allow_once"))


async def test_a_tool_at_work_ends_with_a_bot_that_died(lab: HiveInTest) -> None:
    lab.configure(f"[agents.talker]\nkind = 'acp'\nargv = [{sys.executable!r}, '-S', '-E', {str(ACP_AGENT)!r}]\n")
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="talker"))
        update = '{"sessionUpdate": "tool_call", "toolCallId": "1", "title": "digs", "status": "in_progress"}'
        note = f'{{"method": "session/update", "params": {{"sessionId": "SESSION", "update": {update} }} }}'
        message_id = await ask(hive, f"[[raw:{note}]][[say:deep]][[hang]]")
        deadline = time.monotonic() + 20
        while not (await hive.chat("BOT-001"))[0].answer:
            assert time.monotonic() < deadline, "it never began"
            await asyncio.sleep(0.01)
        [turn] = await hive.chat("BOT-001")
        assert [part.call.status for part in turn.parts if isinstance(part, Tool)] == ["in_progress"]
        pid = lab.bot().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        _, end = await lab.answer("BOT-001", message_id)
        assert end.status == "interrupted"
        [turn] = await hive.chat("BOT-001")
        assert [part.call.status for part in turn.parts if isinstance(part, Tool)] == ["failed"]


async def test_an_answer_that_comes_too_late_is_refused(lab: HiveInTest) -> None:
    configure(lab)
    lab.folder.hive_toml.write_text(lab.folder.hive_toml.read_text() + "approval_timeout_s = 0.3\n")
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        text, turn = await lab.answer("BOT-001", await ask(hive, ASK))
        assert turn.status == "answered" and "tool result: done" not in text, "denied, and free again"
        [asked], [told] = await of_type(hive, ev.PermissionAsked), await of_type(hive, ev.PermissionAnswered)
        assert isinstance(asked, ev.PermissionAsked) and isinstance(told, ev.PermissionAnswered)
        assert (told.outcome, told.by) == ("expired", "")
        with pytest.raises(CommandRejected, match="not open"):
            await hive.submit(cmd.AnswerPermission(request_id=asked.request.request_id, outcome="allow_once"))
        assert lab.state.approvals == ()


async def test_who_is_not_logged_in_waits_for_a_human_and_loses_no_message(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="claude"))
        first, second = [await ask(hive, text) for text in ("[[fail:401]]", "and then")]
        _, turn = await lab.answer("BOT-001", first)
        assert turn.failure is Failure.AUTHENTICATION
        await lab.until(lambda: lab.bot().breaker is Phase.OPEN)
        assert lab.bot().retry_at is None, "it does not try again by itself"
        assert [alert.level for alert in lab.state.alerts if alert.kind == "breaker"] == ["critical"]
        with pytest.raises(CommandRejected, match="until you restart it"):
            await ask(hive, "one more")
        assert [message_id for message_id, _ in lab.bot().queued] == [second]
        await hive.submit(cmd.RestartBot(bot_id="BOT-001"))
        assert (await lab.answer("BOT-001", second))[1].status == "answered"


async def test_a_pause_outlives_the_supervisor_and_a_human_may_end_it(lab: HiveInTest) -> None:
    configure(lab)
    async with lab.supervised(leave_bots=True) as hive:
        bots = await hive.submit(cmd.LaunchBots(what="claude", count=2))
        _, turn = await lab.answer("BOT-001", await ask(hive, "[[fail:429]]"))
        assert turn.failure is Failure.OVERLOAD
        await lab.until(lambda: "anthropic" in lab.state.pauses)
        assert lab.bot().breaker is Phase.CLOSED, "nothing is wrong with the bot"
    store, now = await Store.open(lab.folder), time.time()
    await store.commit([ev.ProviderPaused(at=now, provider="anthropic", until=now + 600, reason="429", by="BOT-001")])
    await store.close()
    async with lab.supervised() as hive:
        await lab.until(lambda: all(bot.state is BotState.RUNNING for bot in lab.state.bots.values()))
        waiting = [await ask(hive, "hello", bot_id) for bot_id in bots]
        assert lab.state.pauses["anthropic"].until == now + 600
        [alert] = [alert for alert in lab.state.alerts if alert.kind == "paused anthropic" and not alert.cleared_at]
        assert [len(bot.queued) for bot in lab.state.bots.values()] == [1, 1]
        await hive.submit(cmd.ClearAlert(alert_id=alert.alert_id))
        for bot_id, message_id in zip(bots, waiting, strict=True):
            assert (await lab.answer(bot_id, message_id))[1].status == "answered"
        assert not lab.state.pauses


async def test_a_spent_budget_ends_work_until_it_is_raised(lab: HiveInTest) -> None:
    declared = '[bots.DEAR]\nagent = "claude"\nbudget_usd = {}\n'
    configure(lab, declared.format("0.0001"))
    async with lab.supervised() as hive:
        await hive.submit(cmd.LaunchBots(what="DEAR"))
        busy = await ask(hive, '[[tool:Bash:{"command": "sleep 300"}]]', "DEAR")  # what it used so far is too much
        _, turn = await lab.answer("DEAR", busy)
        assert (turn.status, turn.failure) == ("failed", Failure.BUDGET)
        with pytest.raises(
            CommandRejected, match=r"budget of \$0\.00 a day: it takes work again at 00:00 UTC"
        ) as refusal:
            await ask(hive, "more", "DEAR")
        assert refusal.value.status == 402
        await lab.until(lambda: [alert.level for alert in lab.state.alerts if alert.kind == "budget"] == ["critical"])
        await hive.submit(cmd.StopBot(bot_id="DEAR"))
        configure(lab, declared.format("5.0"))
        await hive.submit(cmd.LaunchBots(what="DEAR"))
        assert (await lab.answer("DEAR", await ask(hive, "more", "DEAR")))[1].status == "answered"
        await lab.until(lambda: not [one for one in lab.state.alerts if one.kind == "budget" and not one.cleared_at])
