"""How a bot ends: at once when idle, gracefully when busy, and without leaving anything running."""

import asyncio
import json
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from deia_tui.bot.agents.place import Place
from deia_tui.bot.agents.shell import Shell
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.children import Children
from deia_tui.bot.conversation import Conversation
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.spool import Spool
from deia_tui.bot.worker import Message, Worker
from deia_tui.core.bots import AgentSpec
from deia_tui.core.frames import decode
from deia_tui.core.turns import PermissionPolicy
from deia_tui.folder import Folder

from .conftest import PYTHON, SHELL, Bot, Events, Launch, is_running, text_of, until


@pytest.mark.parametrize("way", ["/stop", "SIGTERM"])
async def test_an_idle_bot_ends_with_0_and_leaves_its_last_words(bot: Bot, way: str) -> None:
    assert (await bot.answer("echo hello"))[-1]["status"] == "answered"
    if way == "/stop":
        assert (await bot.http.post("/stop")).status_code == 202
    else:
        os.kill(bot.pid, signal.SIGTERM)
    assert bot.wait() == 0
    state = json.loads((bot.folder.responses / "BOT-001-shutdown-state.json").read_text())
    stopped_at = datetime.fromisoformat(state.pop("stopped_at"))
    assert stopped_at.utcoffset() == timedelta(0)
    assert state.pop("uptime_s") > 0
    assert state == {
        "bot_id": "BOT-001",
        "run": 1,
        "reason": "stopped" if way == "/stop" else "SIGTERM",
        "interrupted_messages": [],
        "answered": 1,
        "failed": 0,
        "interrupted": 0,
    }
    assert json.loads(bot.folder.own_exit_record("BOT-001", 1).read_text())["code"] == 0
    assert not bot.folder.workspace("BOT-001").exists()
    assert bot.log() == "hello\n"


async def test_files_in_the_workspace_stay(bot: Bot) -> None:
    await bot.answer("touch kept")
    await bot.http.post("/stop")
    assert bot.wait() == 0
    assert (bot.folder.workspace("BOT-001") / "kept").exists()


async def test_other_signals_of_a_terminal_are_ignored(bot: Bot) -> None:
    os.kill(bot.pid, signal.SIGINT)
    os.kill(bot.pid, signal.SIGHUP)
    assert (await bot.http.get("/health")).status_code == 200


async def test_stop_lets_the_current_turn_finish_and_gives_up_the_rest(bot: Bot) -> None:
    fifo = bot.root / "go"
    os.mkfifo(fifo)
    await bot.send(f"cat {fifo}", message_id="current")
    await bot.send("echo never", message_id="queued")
    async with bot.events() as events:
        await events.until("turn_started", "current")
        assert (await bot.http.post("/stop")).json() == {"status": "stopping"}
        refused = await bot.http.post("/message", json={"text": "echo late"})
        assert refused.status_code == 503
        assert refused.json()["detail"] == "The bot is ending and takes no messages."
        health = await bot.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "draining")
        queued = (await events.turn("queued"))[-1]
        assert (queued["status"], queued["error"]) == ("interrupted", "the bot stopped before it began")
        fifo.write_text("done")
        frames = await events.turn("current")
    assert text_of(frames) == "done"
    assert frames[-1]["status"] == "answered"
    assert bot.wait() == 0


async def test_drain_finishes_accepted_work_and_a_stop_ends_the_wait(launch: Launch) -> None:
    patient, hurried = await launch(bot_id="BOT-001"), await launch(bot_id="BOT-002")
    for bot in (patient, hurried):
        await bot.send("sleep 0.3" if bot is patient else "sleep 60", message_id="first")
        await bot.send("echo last", message_id="last")
        assert (await bot.http.post("/stop", json={"drain": True})).json() == {"status": "draining"}
        assert (await bot.http.post("/message", json={"text": "echo late"})).status_code == 503
    assert patient.wait() == 0
    assert ends(patient) == {"first": "answered", "last": "answered"}
    assert (await hurried.http.post("/stop")).json() == {"status": "stopping"}
    assert hurried.wait() == 0
    assert ends(hurried) == {"first": "interrupted", "last": "interrupted"}


def ends(bot: Bot) -> dict[str, str]:
    return {frame["message_id"]: frame["status"] for frame in bot.spooled() if frame["type"] == "turn_ended"}


async def test_after_the_grace_period_the_turn_is_interrupted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    log = OutputLog(folder.output_log("BOT-001"))
    spool = Spool(folder.spool("BOT-001", 1), log.line)
    place = Place(folder=tmp_path, own=False, spools=tmp_path, env=dict(os.environ))
    children = Children()
    conversation = Conversation(Shell(place, children, 60.0), SHELL, spool, log, children)
    worker = Worker(conversation, spool, log, Approvals(spool, log.line, 60.0, PermissionPolicy(), ()), grace_s=0.1)
    await worker.open()
    worker.accept(Message("endless", "sleep 60"))
    working = asyncio.create_task(worker.run())
    while not worker.current:
        await spool.news(spool.last_seq)
    worker.end(drain=False)
    worker.end(drain=False)
    await working
    assert worker.given_up == ["endless"]
    last = decode(spool.after(spool.last_seq - 1)[0])
    assert last is not None
    assert (last["type"], last["status"]) == ("turn_ended", "interrupted")
    assert last["error"] == "the bot stopped before it was done"


async def test_an_agent_that_cannot_be_opened_is_a_crash_with_a_sentence(launch: Launch) -> None:
    bot = await launch(AgentSpec(name="talker", kind="acp", argv=("false",)), ready=False)
    assert bot.wait() == 70
    frames = bot.spooled()
    assert [(frame["type"], frame["level"]) for frame in frames] == [("log", "error")]
    assert frames[0]["text"] and frames[0]["text"] in bot.log()
    assert json.loads(bot.folder.own_exit_record("BOT-001", 1).read_text())["code"] == 70


async def test_daemons_go_with_the_bot(bot: Bot) -> None:
    script = bot.root / "daemons.py"
    script.write_text(
        "import os, time\n"
        "for depth in range(4):\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.write(1, b'%d\\n' % os.getpid())\n"
        "        time.sleep(60)\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "time.sleep(60)\n"
    )
    await bot.send(f"{PYTHON} {script}", message_id="m")
    async with bot.events() as events:
        pids = [int(pid) for pid in text_of(await events.turn("m")).split()]
    assert len(pids) == 5
    assert all(map(is_running, pids))
    await bot.http.post("/stop")
    assert bot.wait() == 0
    assert not any(map(is_running, pids))


async def test_orphans_that_end_are_reaped(bot: Bot) -> None:
    await bot.answer("sh -c 'exit 0'")
    script = "import os; os.fork() or (os.fork() or os._exit(0), os._exit(0)); print(os.getpid())"
    for _ in range(3):
        await bot.answer(f'{PYTHON} -c "{script}"')
    until(lambda: not children(bot.pid), "no zombies")


def children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return listed.read().split()


async def test_the_agent_dies_with_a_killed_bot(bot: Bot) -> None:
    await bot.send(f"{PYTHON} -c 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'")
    async with bot.events() as events:
        pid = int(text_of(await events.until("output")))
    os.kill(bot.pid, signal.SIGKILL)
    assert bot.wait() == -signal.SIGKILL
    until(lambda: not is_running(pid), "the agent gone")


async def test_listeners_get_every_frame_before_the_end(bot: Bot) -> None:
    async with bot.events() as events:
        await bot.send("sleep 60", message_id="m")
        await bot.http.post("/stop", json={"drain": True})
        await bot.http.post("/stop")
        await events.turn("m")
        await events.socket.wait_closed()
        assert events.socket.close_code == 1001
    assert bot.wait() == 0


async def test_a_listener_that_does_not_read_does_not_hold_up_the_end(bot: Bot) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port, limit=1)
    writer.write(
        b"GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Authorization: Bearer " + bot.token.encode() + b"\r\n\r\n"
    )
    await bot.answer("head -c 7000000 /dev/zero")
    await bot.http.post("/stop")
    assert bot.wait() == 0
    writer.close()
    del reader


async def allow(bot: Bot, events: Events) -> None:
    request = (await events.until("asked"))[-1]["request"]
    await bot.http.post(f"/permissions/{request['request_id']}", json={"outcome": "allow_always"})


async def test_nothing_is_imported_after_the_fork_and_no_thread_started(launch: Launch) -> None:
    bot = await launch(SHELL)
    async with bot.events() as events:
        await bot.http.get("/health")
        await bot.send("echo hello", message_id="m")
        frames = await events.turn("m")
        await events.ack(frames[-1]["seq"])
        for text in ("", "true|true", "nope", "x" * (1 << 20 | 1)):
            await bot.http.post("/message", json={"text": text})
        await allow(bot, events)
        await bot.http.post("/message", content=b"{")
        await bot.http.get("/nowhere")
        await bot.http.get("/openapi.json")
        await bot.http.get("/status", headers={"Authorization": "none"})
        await bot.send("sh -c 'echo complaint >&2; kill -9 $$'", message_id="e")
        await allow(bot, events)
        await events.turn("e")
        await bot.send("sleep 60", message_id="s")
        await events.until("turn_started", "s")
        await bot.http.post("/interrupt")
        await events.turn("s")
        assert len(os.listdir(f"/proc/{bot.pid}/task")) == 1
        await bot.http.post("/stop")
        assert bot.wait() == 0
    assert json.loads(bot.modules.read_text()) == []
