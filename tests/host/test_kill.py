"""Nothing of a run survives it: children, grandchildren, and daemons that hid as well as they can."""

from .living import Hive, Wire, is_running, until


def assert_all_end(pids: list[int]) -> None:
    until(lambda: not any(is_running(pid) for pid in pids), f"the end of {pids}")


def test_kill_ends_the_whole_tree(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "tree")
    pids = hive.tree()
    assert all(is_running(pid) for pid in pids)
    wire.send("kill", bot_id="BOT-001", run=1)
    assert wire.wait_for("exited")["signal"] == "SIGKILL"
    assert_all_end([spawned["pid"], *pids])


def test_a_bot_that_ends_alone_takes_its_tree_along(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "tree_and_exit")
    pids = hive.tree()
    assert wire.wait_for("exited")["code"] == 7
    assert_all_end(pids)


def test_kill_touches_nobody_else(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "tree", bot_id="BOT-001")
    hive.spawn(wire, "tree", bot_id="BOT-002")
    spared, doomed = hive.tree("BOT-001"), hive.tree("BOT-002")
    wire.send("kill", bot_id="BOT-002", run=1)
    wire.wait_for("exited", bot_id="BOT-002")
    assert_all_end(doomed)
    assert all(is_running(pid) for pid in spared)


def test_kill_of_a_run_that_is_over_does_nothing(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "exit 0", run=1)
    wire.wait_for("exited", run=1)
    spawned = hive.spawn(wire, "wait", run=2)
    wire.send("kill", bot_id="BOT-001", run=1)
    assert [run["run"] for run in hive.connect().hello()["runs"]] == [2]
    assert is_running(spawned["pid"])
