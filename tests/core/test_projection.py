from dataclasses import replace
from types import MappingProxyType

from deia_tui.core.bots import Activity, AgentSpec, BotSpec, BotState, ExitRecord, Health
from deia_tui.core.projection import heartbeat, registry, status_board
from deia_tui.core.state import BotView, HiveState, Pause

AT = 1_760_000_000.0
SPEC = BotSpec(bot_id="B", agent=AgentSpec(name="shell", kind="shell"), template="tool-builder", workdir="/srv")
RUNNING = BotView(
    bot_id="B", spec=SPEC, state=BotState.RUNNING, since=AT, pid=50080, port=8001, health=Health.OK, task="password=x"
)
OFF = BotView(bot_id="A", spec=SPEC, state=BotState.FATAL, since=AT, reason="6 exits", exit=ExitRecord(at=AT, code=1))
STATE = HiveState(bots=MappingProxyType({"B": RUNNING, "A": OFF}))


def test_the_registry_lists_what_lives() -> None:
    assert registry(STATE, version=3, now=AT + 10) == {
        "version": 3,
        "updated_at": "2025-10-09T08:53:30.000+00:00",
        "bots": {
            "B": {
                "port": 8001,
                "pid": 50080,
                "repo": "/srv",
                "status": "active",
                "registered_at": "2025-10-09T08:53:20.000+00:00",
                "last_heartbeat": "2025-10-09T08:53:30.000+00:00",
                "metadata": {"bot_type": "tool-builder", "adapter_type": "shell"},
            }
        },
    }


def test_the_board_lists_every_bot() -> None:
    board = status_board(STATE, rev=9, now=AT)
    assert (board["rev"], list(board["bots"])) == (9, ["A", "B"])
    assert board["bots"]["B"] == {
        "status": "running",
        "health": "ok",
        "breaker": "closed",
        "task": "password=[redacted]",
        "pid": 50080,
        "port": 8001,
        "since": "2025-10-09T08:53:20.000+00:00",
        "last_error": None,
    }
    assert board["bots"]["A"]["last_error"] == "6 exits"


def test_the_last_error_is_the_last_exit_that_was_not_clean() -> None:
    for exit, expected in ((ExitRecord(at=AT, code=0), None), (ExitRecord(at=AT, signal="SIGKILL"), "SIGKILL")):
        bot = BotView(bot_id="B", spec=SPEC, state=BotState.BACKOFF, exit=exit)
        assert status_board(HiveState(bots={"B": bot}), rev=1, now=AT)["bots"]["B"]["last_error"] == expected


def test_a_heartbeat_says_what_a_bot_does() -> None:
    assert heartbeat(RUNNING, STATE, task_id="", now=AT + 10) == {
        "agent_id": "B",
        "role": "tool-builder",
        "status": "idle",
        "current_task": "password=[redacted]",
        "last_heartbeat": "2025-10-09T08:53:30.000+00:00",
    }
    busy = replace(RUNNING, activity=Activity.BUSY, paused=True)
    assert heartbeat(busy, STATE, task_id="t-1", now=AT)["current_task"] == "t-1"
    rests = HiveState(pauses={"p": Pause(since=AT, until=AT + 60, reason="429")})
    held = replace(RUNNING, spec=replace(SPEC, agent=replace(SPEC.agent, provider="p")))
    for bot, state, status in (
        (busy, STATE, "busy"),
        (replace(RUNNING, paused=True), STATE, "paused"),
        (replace(OFF, task=""), STATE, "offline"),
        (held, rests, "waiting"),
    ):
        assert heartbeat(bot, state, task_id="", now=AT)["status"] == status
    assert heartbeat(replace(OFF, task=""), STATE, task_id="", now=AT)["current_task"] is None


def test_an_unhealthy_bot_was_last_heard_of_when_nobody_knows() -> None:
    ill = replace(RUNNING, health=Health.UNHEALTHY)
    assert heartbeat(ill, STATE, task_id="", now=AT + 99)["last_heartbeat"] == "2025-10-09T08:53:20.000+00:00"
