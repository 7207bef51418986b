"""Whoever connects: greeted, refused, dropped when slow; never a danger to the host or to others."""

import json
from typing import Any

import pytest

from deia_tui.host.wire import MAX_LINE, PROTOCOL, Lines, encode

from .living import Hive, Wire, is_running


def test_everybody_greeted_hears_of_every_run(hive: Hive, wire: Wire) -> None:
    other = hive.connect()
    other.hello()
    spawned = hive.spawn(wire, "exit 3")
    assert other.wait_for("spawned") == spawned
    assert other.wait_for("exited") == wire.wait_for("exited")


def test_a_client_that_goes_leaves_the_bots(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait")
    wire.close()
    assert [run["pid"] for run in hive.connect().hello()["runs"]] == [spawned["pid"]]
    assert is_running(spawned["pid"])


HELLO = encode("hello", protocol=PROTOCOL)
NONSENSE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\xff\xfe\n",
    b"[]\n",
    b"[" * 100_000 + b"\n",
    b"{}\n",
    encode("spawn"),
    HELLO + encode("dance"),
    HELLO + encode("kill"),
    HELLO + encode("kill", bot_id=[], run=1),
    HELLO + encode("forget", bot_id={}, run=1e400),
    HELLO + encode("signal", bot_id="BOT-001", run=1, signal="KILL"),
]


def test_nonsense_is_refused_and_hurts_nobody(hive: Hive, wire: Wire) -> None:
    for nonsense in NONSENSE:
        bad = hive.connect()
        bad.sock.sendall(nonsense)
        assert bad.wait_for("refused")["error"].endswith("."), nonsense[:80]
        assert bad.at_end()
    hive.spawn(wire, "wait")


def test_an_endless_line_is_refused(hive: Hive, wire: Wire) -> None:
    bad = hive.connect()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(MAX_LINE // 65536 + 100):
            bad.sock.sendall(b"x" * 65536)
    hive.spawn(wire, "wait")


def test_another_protocol_is_refused_with_both_numbers(hive: Hive, wire: Wire) -> None:
    newer = hive.connect()
    newer.send("hello", protocol=PROTOCOL + 1)
    error = newer.wait_for("refused")["error"]
    assert str(PROTOCOL) in error and str(PROTOCOL + 1) in error
    assert newer.at_end()


def test_a_client_that_never_reads_is_dropped_and_delays_nobody(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait", template="x" * 500_000)
    deaf = hive.connect()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(200_000):  # each is answered by a welcome that is not read
            deaf.sock.sendall(HELLO)
    hive.spawn(wire, "wait", bot_id="BOT-002")


def test_the_welcome_carries_the_whole_record(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait")
    (run,) = hive.connect().hello()["runs"]
    assert run == json.loads(hive.folder.run_record("BOT-001", 1).read_text())
    assert {name: run[name] for name in ("bot_id", "run", "pid", "start_ticks", "port")}.items() <= spawned.items()
    assert run["token"] == "secret" and run["spec"]["agent"]["argv"] == ["wait"]


def test_a_welcome_tells_of_hundreds_of_exits_with_binary_last_words(hive: Hive) -> None:
    """Bots of a hive may all die while no supervisor is there."""
    for number in range(1, 301):
        bot_id = f"BOT-{number:03d}"
        exit = {"bot_id": bot_id, "run": 1, "at": 1.0, "code": 1, "signal": None, "stderr_tail": ["\ufffd" * 4096]}
        hive.folder.exit_record(bot_id, 1).write_text(json.dumps(exit))
    hive.start()
    lines = Lines()
    wire = hive.connect()
    wire.sock.sendall(HELLO)
    found: list[dict[str, Any]] = []
    while not found:
        found = lines.feed(wire.sock.recv(65536))
    assert len(found[0]["exits"]) == 300
