"""A new run: what it is from outside, what it inherited, and why there is none."""

import ast
import itertools
import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

from deia_tui.identity import start_ticks

from .living import Hive, Wire, nonce, open_hive, until


def described(hive: Hive) -> dict[str, Any]:
    path = hive.folder.root / "described"
    until(path.exists, "the bot's description of itself")
    facts: dict[str, Any] = ast.literal_eval(path.read_text())
    path.unlink()
    return facts


def test_a_run_exists_and_its_port_listens(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait")
    assert start_ticks(spawned["pid"]) == spawned["start_ticks"]
    with socket.create_connection(("127.0.0.1", spawned["port"])):
        pass


def test_ps_pgrep_and_environ_name_the_bot(hive: Hive, wire: Wire) -> None:
    pid = hive.spawn(wire, "describe", bot_id="BOT-001")["pid"]
    described(hive)
    title = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
    found = subprocess.run(["pgrep", "-f", "deia-bot BOT-001$"], capture_output=True, text=True, check=True)
    assert title.stdout.strip() == "deia-bot BOT-001"
    assert str(pid) in found.stdout.split()
    assert f"DEIA_RUN={nonce('BOT-001', 1)}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert Path(f"/proc/{pid}/comm").read_text() == "BOT-001\n"


def test_the_host_names_its_folder(hive: Hive, wire: Wire) -> None:
    title = Path(f"/proc/{hive.hosts[0].pid}/cmdline").read_bytes()
    assert title.rstrip(b"\0") == f"deia-host {hive.folder.root}".encode()[: len(title) - 1]


def test_a_child_has_nothing_of_the_host_and_imports_nothing(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "describe", nice=3)
    facts = described(hive)
    log = str(hive.folder.output_log("BOT-001"))
    assert [fd for fd in facts["fds"] if not fd.startswith("socket:")] == ["/dev/null", log, log]
    assert len(facts["fds"]) == 4
    assert facts["modules"] == []
    assert facts["blocked"] == [] and facts["sigterm"]
    assert facts["sid"] == spawned["pid"] and facts["port"] == spawned["port"]
    assert facts["nice"] == os.nice(0) + 3
    assert facts["run"] == nonce("BOT-001", 1)
    assert facts["nofile"] == facts["nofile_before"]


def test_siblings_draw_different_random_numbers(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "describe", bot_id="BOT-001")
    first = described(hive)
    hive.spawn(wire, "describe", bot_id="BOT-002")
    assert described(hive)["random"] != first["random"]


def test_ports_are_not_used_again_at_once(hive: Hive, wire: Wire) -> None:
    first = hive.spawn(wire, "exit 0", run=1)
    wire.wait_for("exited", run=1)
    second = hive.spawn(wire, "exit 0", run=2)
    assert second["port"] != first["port"]


def test_taken_ports_are_passed_over_and_a_full_range_is_named(hive: Hive, wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        hive.ask(wire, "wait", ports=(port, port))
        failed = wire.wait_for("spawn_failed", bot_id="BOT-001", run=1)
    assert f"{port}–{port}" in failed["error"] and failed["error"].endswith(".")


def test_a_bot_runs_at_most_once(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "wait", run=1)
    hive.ask(wire, "wait", run=2)
    assert f"pid {spawned['pid']}" in wire.wait_for("spawn_failed", run=2)["error"]


def test_a_run_number_is_used_once(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "exit 0")
    wire.wait_for("exited")
    hive.ask(wire, "exit 0")
    assert "ended already" in wire.wait_for("spawn_failed")["error"]


def test_what_is_killed_before_it_starts_never_starts(hive: Hive, wire: Wire) -> None:
    hive.ask(wire, "wait")
    wire.send("kill", bot_id="BOT-001", run=1)
    fate = wire.next()
    # Depending on how the two lines arrive the run is withdrawn or killed: it ends in either case.
    assert fate["op"] == "spawn_failed" or wire.wait_for("exited")["signal"] == "SIGKILL"


WRONG: list[dict[str, Any]] = [
    {"bot_id": "../x"},
    {"run": 0},
    {"run": True},
    {"nonce": "a b"},
    {"ports": [1e400, 2]},
    {"ports": [9000, 8000]},
    {"env": {"A": 1}},
    {"spec": {}},
    {"token": None},
]


def test_a_senseless_request_gets_one_sentence(wire: Wire) -> None:
    spec = {"bot_id": "BOT-001", "agent": {"name": "tiny", "kind": "command", "argv": ["wait"]}}
    sound = {"bot_id": "BOT-001", "run": 1, "nonce": "n" * 20, "token": "t", "spec": spec, "env": {}, "ports": [1, 2]}
    for wrong in WRONG:
        wire.send("spawn", **{**sound, **wrong})
        assert wire.wait_for("spawn_failed")["error"].startswith("This is no spawn request"), wrong


def test_an_unwritable_log_fails_the_spawn_only(hive: Hive, wire: Wire) -> None:
    hive.folder.output_log("BOT-001").mkdir()
    hive.ask(wire, "wait", bot_id="BOT-001")
    assert "cannot start" in wire.wait_for("spawn_failed")["error"]
    hive.spawn(wire, "wait", bot_id="BOT-002")


def test_out_of_descriptors_fails_the_spawn_and_recovers(hive: Hive) -> None:
    hive.start(nofile=24)
    wire = hive.connect()
    wire.hello()
    runs = itertools.count(1)

    def attempt() -> dict[str, Any]:
        hive.ask(wire, "exit 0", run=next(runs))
        while (answer := wire.next())["op"] == "exited":
            continue
        return answer

    crowd = [hive.connect() for _ in range(20)]
    until(lambda: "too many files" in attempt().get("error", ""), "a spawn that fails for want of descriptors")
    for other in crowd:
        other.close()
    until(lambda: attempt()["op"] == "spawned", "a spawn once descriptors are free")


def test_files_are_private(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "wait")
    for path in (
        *hive.folder.run.glob("host-*"),
        hive.folder.run_record("BOT-001", 1),
        hive.folder.output_log("BOT-001"),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_deep_folder_is_served(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with open_hive(deep) as hive:
        hive.start()
        wire = hive.connect()
        assert wire.hello()["runs"] == []
        hive.spawn(wire, "wait")
