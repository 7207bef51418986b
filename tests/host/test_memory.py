"""A hard limit of memory holds while no console runs: the host ends the whole tree, and says why."""

import os

from deia_tui.host.processes import by_parent, descendants

from .living import Hive, Wire, is_running, until
from .test_takeover import crash, next_host

LIMIT_MB = 150
GROWN_MB = 200


def test_a_tree_above_its_limit_is_ended_and_one_below_is_not(hive: Hive, wire: Wire) -> None:
    spared = hive.spawn(wire, f"grow {GROWN_MB}", bot_id="SPARED", memory_max_mb=4 * GROWN_MB)["pid"]
    doomed = hive.spawn(wire, f"grow_below {GROWN_MB}", bot_id="DOOMED", memory_max_mb=LIMIT_MB)["pid"]
    below = until(lambda: descendants(by_parent(), doomed), "what grows")
    exited = wire.wait_for("exited")
    assert (exited["bot_id"], exited["signal"], exited["reason"]) == ("DOOMED", "SIGKILL", "oom")
    until(lambda: not any(is_running(process.pid) for process in below), "the end of what had grown")
    assert is_running(spared)
    assert wire.kept_ops() == ["spawned"] or "samples" not in wire.kept_ops()


def test_the_limit_holds_for_an_adopted_bot(hive: Hive, wire: Wire) -> None:
    spawned = hive.spawn(wire, "tree", memory_max_mb=1)
    tree = hive.tree()
    os.kill(hive.hosts[0].pid, 0)
    crash(hive)
    wire = next_host(hive)
    welcome = wire.hello()
    exited = welcome["exits"][0] if welcome["exits"] else wire.wait_for("exited")
    assert exited["reason"] in ("oom", ""), "the former host may have seen it first"
    until(lambda: not any(map(is_running, [spawned["pid"], *tree])), "the end of the tree")


def test_an_end_of_its_own_is_no_oom(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "exit 3", memory_max_mb=1)
    exited = wire.wait_for("exited")
    assert (exited["code"], exited["reason"]) == (3, "")
