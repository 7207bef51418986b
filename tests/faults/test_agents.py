"""An agent's program is not there: it is said before anything starts, and nobody tries again and again."""

import pytest

from tests.faults.hive import FaultyHive, hit
from tests.hives import until


@pytest.mark.fault(43)
def test_a_program_that_is_not_on_path_is_refused_before_anything_starts(hive: FaultyHive) -> None:
    missing = (("reader", "cat"), ("nowhere", "/nonexistent/agent"))
    hive.configure(*(hive.agent(name, [program]) for name, program in missing), hive.agent("bare", []))
    hive.serve(PATH="")
    for name, program in missing:
        status, answer = hive.call("POST", "/api/bot/launch", {"what": name, "count": 3})
        assert status == 422
        assert f"'{program}'" in answer["detail"]
        assert f"[agents.{name}]" in answer["detail"], "it says what to correct"
    assert hive.call("POST", "/api/bot/launch", {"what": "bare"})[0] == 422
    assert hive.events("bot_launched", "bot_starting") == []
    assert "not on PATH" in hive.refused("launch", "reader")
    hive.launch("shell", 1)
    assert hive.bot("BOT-001")["state"] == "running"


@pytest.mark.fault(43)
def test_a_program_that_goes_away_later_fails_the_message_not_the_bot(hive: FaultyHive) -> None:
    program = hive.root / "agent"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o700)
    hive.configure(hive.agent("fleeting", [str(program)]), "[restart]\nbackoff_base_s = 0.05\n")
    hive.serve()
    hive.launch("fleeting", 1)
    assert hive.turn(hive.send("BOT-001", "where are you?"))["status"] == "answered"
    program.unlink()
    ended = hive.turn(hive.send("BOT-001", "and now?"))
    assert ended["status"] == "failed"
    assert "does not exist" in ended["error"]
    assert hive.bot("BOT-001")["run"] == 1
    hive.ask("POST", "/api/bot/stop/BOT-001")
    status, answer = hive.call("POST", "/api/bot/launch", {"what": "fleeting"})
    assert (status, str(program) in answer["detail"]) == (422, True)
    status, answer = hive.call("POST", "/api/bot/restart/BOT-001")  # no preflight: it finds out itself
    assert status == 500
    assert hive.bot("BOT-001")["state"] == "fatal"
    assert len(hive.events("bot_starting")) == 2, "nobody tries again before a human has mended it"
    rows = hive.journal("BOT-001-errors.jsonl")
    assert any(str(program) in row["message"] for row in rows)


@pytest.mark.fault(43)
def test_an_agent_that_is_no_longer_declared_keeps_its_environment(hive: FaultyHive) -> None:
    program = hive.script("keyed", "import os; print(os.environ.get('KEY'))")
    hive.configure(hive.agent("keyed", program, "env = {KEY = 'mine'}"))
    hive.serve()
    hive.launch("keyed", 1)
    hive.configure("")
    hive.launch("shell", 1)  # reads it
    hit(hive.pids()["BOT-001"])
    hive.until_running("BOT-001", run=2)
    asked = hive.send("BOT-001", "which?")
    assert until(lambda: hive.answer(asked), "an answer").strip() == "mine"
