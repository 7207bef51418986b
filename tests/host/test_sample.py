"""CPU and memory of trees, from the host's own pass over /proc."""

from deia_tui.host.sample import used_ticks

from .living import Hive, Wire, until

GROWN_MB = 64


def test_trees_are_measured_while_somebody_wants_it(hive: Hive, wire: Wire) -> None:
    hive.spawn(wire, "burn", bot_id="BURNER", nice=5)
    hive.spawn(wire, "burn_below", bot_id="PARENT", nice=5)
    hive.spawn(wire, f"grow {GROWN_MB}", bot_id="GROWN")
    hive.spawn(wire, "wait", bot_id="SLEEPER")
    until((hive.folder.root / "grown").exists, "the bot to have grown")
    wire.send("sample", on=True)
    bots = wire.wait_for("samples")["bots"]
    assert bots["SLEEPER"][0] < bots["BURNER"][0] and bots["SLEEPER"][0] < bots["PARENT"][0]
    assert bots["GROWN"][1] >= bots["SLEEPER"][1] + 0.9 * GROWN_MB
    assert bots["BURNER"][2:] == [1, 1]
    assert bots["PARENT"][2:] == [2, 2]
    wire.send("sample", on=False)
    hive.spawn(wire, "exit 0")
    wire.wait_for("exited")
    assert "samples" not in wire.kept_ops()


def test_time_that_moves_to_the_parent_is_counted_once() -> None:
    before = {(1, 10): (100, 0), (2, 20): (50, 0)}
    after = {(1, 10): (103, 57)}  # child 2 ran 7 ticks more, ended and was reaped
    assert used_ticks(before, after) == 10


def test_a_child_born_and_reaped_between_two_looks_is_counted() -> None:
    assert used_ticks({(1, 10): (100, 0)}, {(1, 10): (100, 30)}) == 30


def test_time_that_nobody_reaped_makes_nothing_negative() -> None:
    assert used_ticks({(1, 10): (100, 0), (2, 20): (50, 0)}, {(1, 10): (104, 0)}) == 4


def test_a_new_process_counts_from_its_birth() -> None:
    assert used_ticks({(1, 10): (100, 0)}, {(1, 10): (100, 0), (2, 20): (8, 1)}) == 9
