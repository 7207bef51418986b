"""Agents whose program is kept: they die, hang and do not listen, and the conversation goes on."""

import asyncio
import time
from pathlib import Path

import pytest

from deia_tui.bot.agents.protocol import AgentFailed
from deia_tui.bot.approvals import Answer
from deia_tui.bot.conversation import TRIES
from deia_tui.bot.worker import Message
from deia_tui.core.errors import ConfigError

from .conftest import is_running
from .kept import Scene, scene


async def opened(kept: Scene, count: int) -> tuple[str, str, bool]:
    frame = await kept.until("session", count)
    return frame["agent"], frame["session_id"], frame["resumed"]


async def test_a_session_is_told_at_the_start_and_resumed_where_there_was_one(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        assert await opened(kept, 1) == ("kept", f"new-{kept.pid}", False)
        assert (await kept.until("session"))["note"] == "A new one."
        assert (await kept.answer("hello"))["status"] == "answered"
    async with scene(tmp_path, session="earlier") as kept:
        assert await opened(kept, 1) == ("kept", "earlier", True)


async def test_an_agent_that_dies_between_turns_is_back_before_anybody_asks(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        _, session, _ = await opened(kept, 1)
        before = kept.pid
        kept.kill()
        assert await opened(kept, 2) == ("kept", session, True)
        degraded = await kept.until("degraded")
        assert degraded["reason"] == "its program ended (SIGKILL) and is started again"
        assert kept.pid != before
        assert (await kept.answer("again"))["status"] == "answered"
        assert kept.text() == "again "


async def test_an_agent_that_dies_in_a_turn_fails_it_and_what_was_streamed_stays(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        _, session, _ = await opened(kept, 1)
        kept.worker.accept(Message("next", "next"))  # waits meanwhile
        end = await kept.answer("half die other")
        ends = {frame["message_id"]: frame for frame in kept.frames("turn_ended")}
        assert ends["next"]["status"] == "answered"
        end = await kept.until("turn_ended", 2)
        assert (end["status"], end["failure"]) == ("failed", "outage")
        assert end["error"] == "the agent's program ended in the middle of it (SIGKILL)"
        assert kept.text() == "next half "
        assert await opened(kept, 2) == ("kept", session, True)
        kinds = [frame["type"] for frame in kept.frames("degraded", "turn_ended", "session")]
        assert kinds == ["session", "turn_ended", "degraded", "turn_ended", "session"]


@pytest.mark.parametrize("text", ["begin hang", "deaf begin hang"], ids=["listens", "deaf"])
async def test_an_interrupt_ends_the_turn_with_the_program_if_need_be(tmp_path: Path, text: str) -> None:
    async with scene(tmp_path) as kept:
        _, session, _ = await opened(kept, 1)
        before = kept.pid
        answering = asyncio.create_task(kept.answer(text))
        await kept.until("output")
        assert kept.worker.interrupt() == "m0"
        assert kept.worker.interrupt() == "m0"
        end = await answering
        assert (end["status"], end["error"], end["failure"]) == ("interrupted", "interrupted", None)
        assert (await kept.answer("after"))["status"] == "answered"
        assert kept.text() == "begin after "
        assert is_running(before) is (text == "begin hang")
        if not is_running(before):
            assert await opened(kept, 2) == ("kept", session, True)
            assert (await kept.until("degraded"))["reason"] == "it did not end its turn and is started again"


@pytest.mark.parametrize("text", ["begin hang", "deaf begin hang"], ids=["listens", "deaf"])
async def test_a_turn_in_which_nothing_happens_fails(tmp_path: Path, text: str) -> None:
    async with scene(tmp_path, idle_timeout_s=0.3) as kept:
        end = await kept.answer(text)
        assert (end["status"], end["error"], end["failure"]) == ("failed", "nothing came for 0.3 s", "outage")
        assert (await kept.answer("after"))["status"] == "answered"
        assert kept.text() == "begin after "


async def test_a_tool_at_work_may_be_silent_for_longer(tmp_path: Path) -> None:
    async with scene(tmp_path, idle_timeout_s=0.1, timeout_s=0.6) as kept:
        end = await kept.answer("tool hang")
        assert (end["status"], end["error"]) == ("failed", "nothing came for 0.6 s")
        assert end["duration_s"] >= 0.6


async def test_waiting_for_a_permission_is_not_silence(tmp_path: Path) -> None:
    async with scene(tmp_path, idle_timeout_s=0.2) as kept:
        answering = asyncio.create_task(kept.answer("ask done"))
        asked = await kept.until("asked")
        waited_from = time.monotonic()
        while time.monotonic() - waited_from < 0.5:
            await asyncio.sleep(0.01)
        assert not answering.done()
        assert kept.worker.activity == "asking"
        kept.approvals.answer(asked["request"]["request_id"], Answer(outcome="allow_once", by="me", note=""))
        assert (await answering)["status"] == "answered"


async def test_an_interrupt_ends_a_wait_for_permission_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        answering = asyncio.create_task(kept.answer("ask hang"))
        await kept.until("asked")
        kept.worker.interrupt()
        assert (await answering)["status"] == "interrupted"
        assert (await kept.until("answered"))["outcome"] == "cancelled"


async def test_a_fault_of_an_adapter_concerns_its_turn_only(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        end = await kept.answer("raise")
        assert (end["status"], end["failure"]) == ("failed", "error")
        assert end["error"] == "the adapter of 'kept' failed: LookupError: a fault"
        assert (await kept.answer("well"))["status"] == "answered"


async def test_a_bot_whose_agent_cannot_be_opened_again_gives_up(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        (tmp_path / "agent.broken").touch()
        kept.kill()
        await kept.until("degraded")
        kept.worker.accept(Message("waits", "anything"))
        assert kept.working
        await asyncio.wait({kept.working}, timeout=30)
        error = kept.working.exception()
        assert isinstance(error, AgentFailed)
        assert str(error) == "'kept' could not be kept running: its program ended 5 times."
        reasons = [frame["reason"] for frame in kept.frames("degraded")]
        assert reasons[1:] == ["it cannot be started again: It says nothing."] * TRIES
        assert (await kept.until("turn_ended"))["status"] == "interrupted"


async def test_an_agent_that_dies_again_and_again_is_given_up_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        for count in range(TRIES):
            await kept.until("session", count + 1)
            assert (await kept.answer("die"))["failure"] == "outage"
        await kept.until("session", TRIES + 1)
        kept.kill()
        assert kept.working
        await asyncio.wait({kept.working}, timeout=30)
        assert isinstance(kept.working.exception(), AgentFailed)


async def test_an_operator_who_must_act_is_told_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as kept:
        kept.agent.gone = "It is not installed any more."
        kept.kill()
        assert kept.working
        await asyncio.wait({kept.working}, timeout=30)
        assert isinstance(kept.working.exception(), ConfigError)


async def test_a_stop_does_not_wait_for_an_agent(tmp_path: Path) -> None:
    kept = Scene(tmp_path, idle_timeout_s=60.0, timeout_s=60.0, session="")
    opening = asyncio.create_task(kept.worker.open())
    while kept.agent.process is None:
        await asyncio.sleep(0.001)
    kept.worker.end(drain=True)
    await opening
    await kept.worker.run()
    await kept.conversation.close()
    assert kept.frames("session") == []
