"""Events as a hive would commit them, with the fields that a test does not care about filled in."""

from deia_tui.core import events as ev
from deia_tui.core.bots import AgentSpec, BotSpec, ExitRecord

AT = 1_760_000_000.0


def spec(bot_id: str) -> BotSpec:
    agent = AgentSpec(name="shell", kind="shell", argv=("a", "b"))
    return BotSpec(bot_id=bot_id, agent=agent, template="tool-builder", workdir="/srv")


def launched(bot_id: str, at: float = AT) -> ev.BotLaunched:
    return ev.BotLaunched(at=at, bot_id=bot_id, spec=spec(bot_id))


def starting(bot_id: str, run: int = 1, *, automatic: bool = False) -> ev.BotStarting:
    reason = "restart" if automatic else "launched"
    return ev.BotStarting(at=AT, bot_id=bot_id, run=run, nonce=f"nonce-{run}", reason=reason, automatic=automatic)


def spawned(bot_id: str, run: int = 1) -> ev.BotSpawned:
    return ev.BotSpawned(at=AT, bot_id=bot_id, run=run, pid=4242, start_ticks=77, port=8001)


def started(bot_id: str, run: int = 1) -> list[ev.Event]:
    """A bot that was launched and answers."""
    ready = ev.BotReady(at=AT + 1, bot_id=bot_id, run=run)
    return [launched(bot_id), starting(bot_id, run), spawned(bot_id, run), ready]


def exited(bot_id: str, run: int = 1, at: float = AT + 5, **exit: object) -> ev.BotExited:
    record = ExitRecord(at=at, **(exit or {"signal": "SIGKILL"}))  # type: ignore[arg-type]
    return ev.BotExited(at=at, bot_id=bot_id, run=run, exit=record, stderr_tail=("last words",))


def asked(bot_id: str, message_id: str, text: str = "hello\nworld") -> ev.MessageQueued:
    return ev.MessageQueued(at=AT + 2, bot_id=bot_id, message_id=message_id, sender="human", text=text)


def accepted(bot_id: str, message_id: str, frame: int, run: int = 1) -> ev.MessageAccepted:
    return ev.MessageAccepted(at=AT + 3, bot_id=bot_id, run=run, message_id=message_id, source_seq=frame)


def turn_started(bot_id: str, message_id: str, frame: int, run: int = 1) -> ev.TurnStarted:
    return ev.TurnStarted(at=AT + 3, bot_id=bot_id, run=run, message_id=message_id, source_seq=frame)


def output(bot_id: str, message_id: str, text: str, frame: int, run: int = 1) -> ev.OutputAdded:
    return ev.OutputAdded(at=AT + 4.125, bot_id=bot_id, run=run, message_id=message_id, text=text, source_seq=frame)


def turn_ended(bot_id: str, message_id: str, frame: int, run: int = 1) -> ev.TurnEnded:
    return ev.TurnEnded(
        at=AT + 5,
        bot_id=bot_id,
        run=run,
        message_id=message_id,
        status="answered",
        error="",
        duration_s=1.5,
        source_seq=frame,
    )


def alert(alert_id: int, bot_id: str | None = None) -> ev.AlertRaised:
    return ev.AlertRaised(
        at=AT, alert_id=alert_id, bot_id=bot_id, kind="crash", level="warning", text="It crashed.", action="Look."
    )
