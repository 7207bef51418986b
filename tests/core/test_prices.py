import pytest

from deia_tui.core.prices import ModelPrice, PriceTable, differ
from deia_tui.core.turns import Usage

SPECIAL = ModelPrice(model="opus-4-1*", input=10.0, output=20.0, cache_read=1.0, cache_write=5.0)
OTHERS = ModelPrice(model="opus*", input=1.0, output=2.0, cache_read=0.1, cache_write=0.5)
TABLE = PriceTable((SPECIAL, OTHERS))


@pytest.mark.parametrize(
    ("model", "usd"), [("opus-4-1-2025", 10.0), ("acme/OPUS-4", 1.0), ("opus", 1.0), ("sonnet", None), ("", None)]
)
def test_the_first_line_that_fits_the_model_counts(model: str, usd: float | None) -> None:
    assert TABLE.cost_usd(Usage(model=model, input_tokens=1_000_000)) == usd


def test_a_line_for_every_model_prices_none_without_a_name() -> None:
    every = PriceTable((ModelPrice(model="*", input=1.0, output=1.0, cache_read=1.0, cache_write=1.0),))
    assert every.cost_usd(Usage(input_tokens=5)) is None


def test_each_kind_of_token_costs_what_its_column_says() -> None:
    usage = Usage(model="opus-4-1", input_tokens=1, output_tokens=10, cache_read_tokens=100, cache_write_tokens=1000)
    assert TABLE.cost_usd(usage) == pytest.approx((10 + 200 + 100 + 5000) / 1e6)


@pytest.mark.parametrize(
    ("table_usd", "agent_usd", "differs"),
    [(1.0, 1.09, False), (1.0, 1.11, True), (1.0, 0.89, True), (0.0, 0.00009, False), (0.0, 0.0002, True)],
)
def test_a_tenth_and_a_hundredth_of_a_cent_are_no_disagreement(
    table_usd: float, agent_usd: float, differs: bool
) -> None:
    assert differ(table_usd, agent_usd) is differs
