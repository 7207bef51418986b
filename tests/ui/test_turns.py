"""What a turn looks like beside its text: tools, thoughts, plans, diffs, usage, Markdown; what opens and folds."""

import time
from typing import Any, get_args

import pytest

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec
from deia_tui.core.turns import Diff, Failure, PlanEntry, ToolCall, ToolStatus, Usage
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive

MODEL = AgentSpec(name="claude", kind="claude", provider="anthropic")


def one_model() -> tuple[ScriptedHive, str]:
    hive = ScriptedHive()
    hive.run("BOT-001", agent=MODEL)
    return hive, hive.ask("BOT-001", "fix it")


def of(hive: ScriptedHive, message_id: str) -> dict[str, Any]:
    return {"at": time.time(), "bot_id": "BOT-001", "run": 1, "message_id": message_id, "source_seq": 5}


def call(status: ToolStatus = "completed", **fields: Any) -> ToolCall:
    took = 1.24 if status in ("completed", "failed") else None
    known = {"call_id": "1", "tool": "Bash", "title": "pytest -x", "input": "the-input", "output": "the-output"}
    return ToolCall(**{**known, "status": status, "duration_s": took, **fields})


def end(hive: ScriptedHive, message_id: str, **fields: Any) -> None:
    known: dict[str, Any] = {**of(hive, message_id), "status": "answered", "error": "", "duration_s": 12.0}
    hive.record(ev.TurnEnded(**{**known, **fields}))


def chat(screen: Screen) -> str:
    return "\n".join(line[105:] for line in screen.lines())


async def test_a_tool_is_one_line_that_changes_in_place_and_opens_by_a_key() -> None:
    hive, message = one_model()
    async with shown(hive) as screen:
        hive.record(ev.ToolCallChanged(**of(hive, message), call=call("pending", output="")))
        await screen.sees("○ waiting Bash  pytest -x")
        hive.record(ev.ToolCallChanged(**of(hive, message), call=call("in_progress")))
        await screen.sees("● running Bash  pytest -x")
        hive.record(ev.ToolCallChanged(**of(hive, message), call=call()))
        await screen.sees("▸ ✓ done    Bash  pytest -x · 1.2 s")
        assert "the-input" not in chat(screen)
        await screen.press("tab", "k")
        await screen.until(lambda: "Open" in screen.lines()[-1])
        await screen.press("enter")
        await screen.sees("▾ ✓ done", "the-input", "the-output")
        await screen.press("space")
        await screen.misses("the-input")
        await screen.press("o")
        await screen.sees("the-input")


async def test_a_click_on_its_line_opens_a_tool() -> None:
    hive, message = one_model()
    hive.record(ev.ToolCallChanged(**of(hive, message), call=call("failed")))
    async with shown(hive) as screen:
        await screen.sees("▸ ✖ failed  Bash")
        view = screen.app._main.hive._chat.view
        row = next(y for y, line in enumerate(screen.lines()) if "✖ failed" in line)
        await screen.pilot.click(view, offset=(8, row - view.region.y))
        await screen.sees("the-input", "the-output")


async def test_enter_elsewhere_in_the_chat_writes() -> None:
    hive, message = one_model()
    hive.record(ev.ToolCallChanged(**of(hive, message), call=call()))
    async with shown(hive) as screen:
        await screen.press("tab", "enter")
        await screen.until(lambda: screen.app.focused is screen.app._main.hive._chat.input)


async def test_what_is_open_stays_open_while_more_comes() -> None:
    hive, message = one_model()
    hive.record(ev.ToolCallChanged(**of(hive, message), call=call("in_progress")))
    async with shown(hive) as screen:
        await screen.sees("● running")
        await screen.press("tab", "k", "o")
        await screen.sees("the-output")
        hive.record(ev.ToolCallChanged(**of(hive, message), call=call(output="more-output")))
        hive.answer("BOT-001", message, "all is well\n")
        await screen.sees("▾ ✓ done", "more-output", "all is well")


async def test_a_thought_is_folded_and_a_plan_is_ticked_off() -> None:
    hive, message = one_model()
    async with shown(hive) as screen:
        hive.record(ev.ThoughtAdded(**of(hive, message), text="first idea\nsecond idea\nthird"))
        await screen.sees("thinking… · 3 lines  third")
        assert "first idea" not in screen.text()
        entries = (PlanEntry(content="look", status="in_progress"), PlanEntry(content="mend"))
        hive.record(ev.PlanChanged(**of(hive, message), entries=entries))
        await screen.sees("thought · 3 lines", "plan · 0 of 2 done", "◐ look", "☐ mend")
        entries = (PlanEntry(content="look", status="completed"), PlanEntry(content="mend", status="in_progress"))
        hive.record(ev.PlanChanged(**of(hive, message), entries=entries))
        await screen.sees("plan · 1 of 2 done", "☑ look", "◐ mend")
        assert chat(screen).count("plan ·") == 1


async def test_a_short_diff_stands_there_a_long_one_opens() -> None:
    hive, message = one_model()
    short = Diff(path="short.py", old="a = 1\n", new="a = 2\n")
    long = Diff(path="long.py", old="", new="\n".join(f"line {number}" for number in range(40)))
    hive.record(
        ev.ToolCallChanged(**of(hive, message), call=call(call_id="1", tool="Edit", title="short.py", diffs=(short,))),
        ev.ToolCallChanged(**of(hive, message), call=call(call_id="2", tool="Edit", title="long.py", diffs=(long,))),
    )
    async with shown(hive, size=(190, 80)) as screen:
        await screen.sees("Edit  short.py +1 -1", "- a = 1", "+ a = 2", "Edit  long.py +40 -0", "… 33 more lines")
        await screen.press("tab", "k", "o")
        await screen.sees("+ line 39")


async def test_markdown_is_formatted_once_the_turn_has_ended() -> None:
    hive, message = one_model()
    async with shown(hive) as screen:
        hive.answer("BOT-001", message, "## Cause\n\nThe **clock** is `wall`\n\n- one\n- two\n")
        await screen.sees("## Cause", "**clock**")
        end(hive, message)
        await screen.sees("The clock is wall", "• one")
        assert "##" not in chat(screen) and "**" not in chat(screen)
        await screen.press("tab", "y")
        await screen.until(lambda: screen.app.clipboard.startswith("## Cause\n\nThe **clock**"))


@pytest.mark.parametrize("agent", [AgentSpec(name="shell", kind="shell"), AgentSpec(name="x", kind="command")])
async def test_what_a_program_prints_is_shown_as_it_is(agent: AgentSpec) -> None:
    hive = ScriptedHive()
    hive.run("BOT-001", agent=agent)
    message = hive.ask("BOT-001", "cat README")
    hive.answer("BOT-001", message, "## a_b_c **x**\n")
    end(hive, message)
    async with shown(hive) as screen:
        await screen.sees("## a_b_c **x**")


async def test_a_turn_ends_with_what_it_used_and_why() -> None:
    hive, message = one_model()
    usage = Usage(model="sonnet", input_tokens=1234, output_tokens=56, cache_read_tokens=20_000)
    hive.record(ev.UsageReported(**of(hive, message), usage=usage, cost_usd=0.0123))
    hive.answer("BOT-001", message, "half an ans")
    end(hive, message, stop_reason="max_tokens")
    async with shown(hive) as screen:
        await screen.sees("1.2k tokens in · 56 out · 20.0k cached · $0.0123 ·", "· sonnet")
        await screen.sees("cut off: it reached its limit of tokens")


@pytest.mark.parametrize(
    ("failure", "words", "again"),
    [
        (Failure.AUTHENTICATION, "Not logged in, or the key is not valid", True),
        (Failure.OVERLOAD, "all bots of that provider pause", True),
        (Failure.BUDGET, "What it may spend is spent", True),
        (Failure.REQUEST, "change it, the agent is well", False),
    ],
)
async def test_a_failure_says_what_to_do_and_what_is_refused_is_not_offered_again(
    failure: Failure, words: str, again: bool
) -> None:
    hive, message = one_model()
    async with shown(hive) as screen:
        end(hive, message, status="failed", error="it did not work", failure=failure)
        await screen.sees("it did not work", words)
        assert ("e sends it again" in screen.text()) is again
        await screen.until(lambda: ("Send again" in screen.lines()[-1]) is again)


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_small_terminals_show_it_too(size: tuple[int, int]) -> None:
    hive, message = one_model()
    for status in get_args(ToolStatus):
        long = call(status, call_id=status, title="pytest " * 40)
        hive.record(ev.ToolCallChanged(**of(hive, message), call=long))
    async with shown(hive, size=size) as screen:
        await screen.press("tab")
        await screen.sees("waiting Bash  pytest", "running", "done", "failed")
        assert all(strip.cell_length == size[0] for strip in screen.app.screen._compositor.render_strips())
