import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.errors import CommandRejected
from deia_tui.core.ids import MAX_BOTS, check_bot_id, is_bot_id, next_bot_ids

ALL_IDS = [f"BOT-{number:03d}" for number in range(1, MAX_BOTS + 1)]


@pytest.mark.parametrize("name", ["BOT-001", "CLAUDE-CODE-001", "BEE-001A", "b", "0", "a_b", "x" * 32])
def test_names_a_bot_may_have(name: str) -> None:
    assert check_bot_id(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-BOT", "_BOT", "a b", "a/b", "..", "BOT-001\n", "ä", "BOT-٠٠١", "x" * 33, "a.b", "\x1b[2J"],
)
def test_names_it_may_not_have(name: str) -> None:
    with pytest.raises(CommandRejected, match="cannot name a bot") as refusal:
        check_bot_id(name)
    assert refusal.value.status == 400
    assert not is_bot_id(name)


def test_a_refusal_does_not_repeat_a_novel() -> None:
    with pytest.raises(CommandRejected) as refusal:
        check_bot_id("x" * 10_000)
    assert len(str(refusal.value)) < 200


@given(taken=st.sets(st.sampled_from(ALL_IDS)), count=st.integers(0, MAX_BOTS))
def test_the_lowest_free_ids_are_given_out_in_order(taken: set[str], count: int) -> None:
    free = [bot_id for bot_id in ALL_IDS if bot_id not in taken]
    if count <= len(free):
        assert next_bot_ids(taken, count) == free[:count]
    else:
        with pytest.raises(CommandRejected, match=f"Only {len(free)} of {count} bots fit"):
            next_bot_ids(taken, count)


def test_names_of_other_forms_take_no_number() -> None:
    assert next_bot_ids(["SCOUT", "BOT-1"], 1) == ["BOT-001"]


@pytest.mark.parametrize("spare", [0, 2])
def test_a_hive_holds_no_more_than_its_numbers(spare: int) -> None:
    taken = ALL_IDS[spare:]
    assert next_bot_ids(taken, spare) == ALL_IDS[:spare]
    with pytest.raises(CommandRejected, match=f"Only {spare} of {spare + 1} bots fit") as refusal:
        next_bot_ids(taken, spare + 1)
    assert refusal.value.status == 409
