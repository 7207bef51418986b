import json

from deia_tui.core.bots import Activity, AgentSpec, BotSpec, BotState, ExitRecord, Health
from deia_tui.core.report import approval, bot_status, status
from deia_tui.core.state import NO_SERIES, Approval, BotView, HiveState, Series, Snapshot, Telemetry
from deia_tui.core.turns import PermissionOption, PermissionRequest

AGENT = AgentSpec(name="shell", kind="shell")
RUNNING = BotView(
    bot_id="BOT-002",
    spec=BotSpec(bot_id="BOT-002", agent=AGENT, template="tool-builder"),
    state=BotState.RUNNING,
    activity=Activity.BUSY,
    run=3,
    restarts=2,
    pid=50080,
    port=8001,
    health=Health.OK,
    message_id="m",
    queued=(("n", "next"),),
)
EXITED = BotView(
    bot_id="BOT-001",
    spec=BotSpec(bot_id="BOT-001", agent=AGENT),
    state=BotState.EXITED,
    reason="SIGKILL",
    exit=ExitRecord(at=5.0, signal="SIGKILL"),
)
SAMPLES = Series(cpu=(1.0, 12.345), memory_mb=(1.0, 62.06))


def test_a_snapshot_as_status_prints_it() -> None:
    state = HiveState(
        name="site",
        folder="/srv/site",
        pid=9,
        mode="serve",
        host_pid=10,
        bots={"BOT-002": RUNNING, "BOT-001": EXITED},
    )
    report = status(Snapshot(seq=7, state=state, telemetry=Telemetry(bots={"BOT-002": SAMPLES})), 6.0)
    assert json.loads(json.dumps(report)) == {
        "hive": {"name": "site", "folder": "/srv/site", "seq": 7, "host_pid": 10},
        "supervisor": {"pid": 9, "mode": "serve"},
        "bots": [
            {
                "id": "BOT-001",
                "state": "exited",
                "activity": "idle",
                "pid": None,
                "port": None,
                "run": 0,
                "restarts": 0,
                "breaker": "closed",
                "health": "unknown",
                "cpu_percent": None,
                "memory_mb": None,
                "agent": "shell",
                "kind": "shell",
                "template": None,
                "exit": {"code": None, "signal": "SIGKILL", "at": 5.0},
                "reason": "SIGKILL",
                "waits_for": "",
                "message_id": None,
                "queued": 0,
                "trouble": "",
                "held": None,
                "session": None,
                "spent_usd": 0.0,
                "budget_usd": None,
            },
            {
                "id": "BOT-002",
                "state": "running",
                "activity": "busy",
                "pid": 50080,
                "port": 8001,
                "run": 3,
                "restarts": 2,
                "breaker": "closed",
                "health": "ok",
                "cpu_percent": 12.3,
                "memory_mb": 62.1,
                "agent": "shell",
                "kind": "shell",
                "template": "tool-builder",
                "exit": None,
                "reason": "",
                "waits_for": "",
                "message_id": "m",
                "queued": 1,
                "trouble": "",
                "held": None,
                "session": None,
                "spent_usd": 0.0,
                "budget_usd": None,
            },
        ],
        "work": {
            "waiting": 0,
            "held": 0,
            "scheduled": 0,
            "running": 0,
            "dead": 0,
            "oldest_s": None,
            "letters_pending": 0,
            "strain": "healthy",
            "strain_reason": "",
            "bots": {},
        },
    }


def test_figures_of_a_former_run_are_not_shown() -> None:
    assert bot_status(EXITED, SAMPLES, 6.0)["cpu_percent"] is None
    assert bot_status(RUNNING, NO_SERIES, 6.0)["memory_mb"] is None


def test_a_request_says_how_long_it_has_waited_and_how_long_it_still_may() -> None:
    options = (PermissionOption(option_id="1", name="Allow", kind="allow_once"),)
    request = PermissionRequest(request_id="r", tool="Bash", title="list", input="ls", options=options)
    waiting = Approval(bot_id="B", run=1, message_id="m", request=request, asked_at=100.0, expires_at=160.0)
    told = approval(waiting, 130.04)
    assert (told["request_id"], told["tool"], told["options"]) == ("r", "Bash", ["allow_once"])
    assert (told["age_s"], told["expires_in_s"]) == (30.0, 30.0)
    assert approval(waiting, 99.0)["age_s"] == 0.0, "the clock was set back"
    assert approval(waiting, 161.0)["expires_in_s"] == 0.0
