"""Nothing a bot, a file or a name contains reaches the terminal as anything but text."""

import os
import pty
import re
import select
import signal
import sys
import time
from typing import Any

from textual import events

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec
from deia_tui.core.client import Launchable
from deia_tui.core.turns import Diff, PlanEntry, ToolCall, Usage
from deia_tui.core.work.tasks import Candidate
from tests.ui.screens import Screen, shown
from tests.ui.scripted import ScriptedHive

TRAPS = (
    "\x1b]52;c;c3RvbGVu\x07",  # writes the clipboard
    "\x1b]0;stolen title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "[@click=app.exit]press[/]",
    "[/",
    "[bold",
    "\u202egnp.exe\u202c",
    "\x07\x08\x00",
)
TRAP = "".join(TRAPS)


def hostile_hive() -> ScriptedHive:
    hive = ScriptedHive()
    hive.run("BOT-001", agent=AgentSpec(name=f"agent{TRAP}", kind="command"), template=f"t{TRAP}")
    hive.offered = (
        Launchable(name=f"n{TRAP}", kind="agent", summary=f"summary {TRAP}", problem=""),
        Launchable(name="other", kind=TRAP, summary="", problem=f"problem {TRAP}"),
    )
    message = hive.ask("BOT-001", f"question {TRAP}", sender=f"sender {TRAP}")
    do_everything(hive, message)
    hive.answer("BOT-001", message, "split \x1b", "]52;c;c3RvbGVu\x07 over two\n", f"answer {TRAP}\nlast-line\n")
    hive.record(
        ev.BotLogged(at=time.time(), bot_id="BOT-001", run=1, level="error", text=f"log {TRAP}", source_seq=9),
        ev.TurnEnded(
            at=time.time(),
            bot_id="BOT-001",
            run=1,
            message_id=message,
            status="failed",
            error=f"error {TRAP}",
            duration_s=0.1,
        ),
    )
    hive.alert("BOT-001", f"alert {TRAP}", action=f"action {TRAP}")
    hive.record(ev.BotGaveUp(at=time.time(), bot_id="BOT-001", reason=f"reason {TRAP}"))
    return hive


def hostile_work() -> ScriptedHive:
    """Tasks and messages between bots with a trap in every text of them."""
    hive = ScriptedHive()
    hive.run("BOT-001")
    of: dict[str, Any] = {"sender": f"sender {TRAP}", "source": f"source {TRAP}", "after": (f"after {TRAP}",)}
    task_id = hive.queue(f"id {TRAP}", f"title {TRAP}", f"text {TRAP}\nend-of-text", **of)
    hive.assign(task_id, "BOT-001", reasons=(f"reason {TRAP}",))
    hive.end_task(task_id, "dead", error=f"error {TRAP}")
    hive.record(ev.TaskFiled(at=time.time(), task_id=task_id, response=f"response {TRAP}"))
    hive.queue("T-2", f"held {TRAP}", to=f"to {TRAP}", held=f"why {TRAP}")
    hive.choice, hive.reasons = (Candidate(f"bot {TRAP}", 0.5),), (f"choice {TRAP}",)
    letter_id = hive.letter(f"from {TRAP}", "BOT-001", f"letter {TRAP}\nend-of-letter", reply_to=f"reply {TRAP}")
    failed = {"letter_id": letter_id, "from_bot": "x", "to_bot": "BOT-001", "priority": 2}
    hive.record(ev.LetterFailed(at=time.time(), reason=f"failed {TRAP}", **failed))
    return hive


def do_everything(hive: ScriptedHive, message: str) -> None:
    """Every part a turn can have, with a trap in every text of it."""
    of: dict[str, Any] = {"at": time.time(), "bot_id": "BOT-001", "run": 1, "message_id": message, "source_seq": 5}
    diff = Diff(path=f"path {TRAP}", old=f"old {TRAP}", new=f"new {TRAP}")
    texts = {name: f"{name} {TRAP}" for name in ("tool", "title", "input", "output")}
    hive.record(
        ev.ThoughtAdded(**of, text=f"thought {TRAP}"),
        ev.PlanChanged(**of, entries=(PlanEntry(content=f"plan {TRAP}"),)),
        ev.ToolCallChanged(**of, call=ToolCall(call_id="1", diffs=(diff,), status="completed", **texts)),
        ev.UsageReported(**of, usage=Usage(model=f"model {TRAP}"), cost_usd=1.0),
        ev.AgentDegraded(at=time.time(), bot_id="BOT-001", run=1, reason=f"trouble {TRAP}", source_seq=6),
    )
    request = hive.wants("BOT-001", message, f"title {TRAP}", tool=f"asked {TRAP}", input=f"wish {TRAP}")
    hive.permitted("BOT-001", request, "reject_once", by=f"by {TRAP}", note=f"note {TRAP}")


def harmless(screen: Screen) -> bool:
    return not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", screen.text().replace("\n", ""))


async def test_hostile_text_is_shown_and_nothing_more() -> None:
    hive = hostile_hive()
    async with shown(hive, size=(190, 90)) as screen:
        await screen.sees("question", "last-line", "alert", "reason", "error")
        assert harmless(screen)
        view = screen.app._main.hive._chat.view
        assert view.transcript is not None
        view.transcript.turns[0].opened |= set(range(20))
        view.resized()
        view.paint()
        await screen.sees("thought", "plan", "title", "input", "output", "path", "+ new", "denied by by", "model")
        assert harmless(screen)
        hive.alert(None, f"toast {TRAP}", level="critical")
        await screen.sees("hive: toast")
        assert harmless(screen)
        await screen.press("l")
        await screen.sees("summary", "problem")
        await screen.press("enter")
        await screen.misses("How many")
        await screen.press("enter")
        assert screen.app.focused is not None
        screen.app.focused.post_message(events.Paste(f"pasted {TRAP}\nsecond line"))
        await screen.sees("pasted", "second line")
        assert harmless(screen)


def test_no_sequence_of_a_bot_reaches_a_real_terminal() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
        os.execv(sys.executable, [sys.executable, "-m", "tests.ui.hostile"])
    written = b""
    try:
        os.set_blocking(terminal, False)
        end = time.monotonic() + 30
        while b"last-line" not in written and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                written += os.read(terminal, 65536)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    assert b"last-line" in written
    assert b"\x1b]52" not in written
    assert b"stolen title\x07" not in written
    assert "\x9b".encode() not in written
    assert "\u202e".encode() not in written


async def test_work_and_messages_are_shown_and_nothing_more() -> None:
    async with shown(hostile_work(), size=(190, 60)) as screen:
        await screen.press("w")
        await screen.sees("held", "why", "bot", "choice")
        assert harmless(screen)
        await screen.press("j", "x")
        await screen.sees("end-of-text", "sender", "source", "after", "error", "response", "reason")
        assert harmless(screen)
        await screen.press("r")
        await screen.sees("Trying id")
        assert harmless(screen)
        await screen.press("t")
        assert screen.app.focused is not None
        screen.app.focused.post_message(events.Paste(f"pasted {TRAP}\nsecond line"))
        await screen.sees("pasted", "second line")
        assert harmless(screen)
        await screen.press("escape", "m")
        await screen.sees("end-of-letter", "failed", "reply")
        assert harmless(screen)


async def test_what_an_agent_asks_is_shown_and_nothing_more() -> None:
    hive = hostile_hive()
    hive.run("BOT-002")
    request = f"asked {TRAP}"
    async with shown(hive) as screen:
        hive.wants("BOT-002", hive.ask("BOT-002", "w"), f"title {TRAP}", tool=request, input=f"{TRAP}\nwish {TRAP}")
        await screen.sees("BOT-002 asks: asked")
        assert harmless(screen)
        await screen.press("p")
        await screen.sees("(shell) asks: asked", "wish")
        assert harmless(screen)
