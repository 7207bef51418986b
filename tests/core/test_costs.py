from dataclasses import replace

from deia_tui.core.costs import Cost, report

COST = Cost(
    day="2026-01-31",
    bot_id="B",
    model="small",
    input_tokens=1,
    output_tokens=2,
    cache_read_tokens=3,
    cache_write_tokens=4,
    cost_usd=0.5,
    unpriced=0,
)


def test_the_total_is_the_sum_of_what_is_counted() -> None:
    told = report([COST, replace(COST, day="2026-02-01", cost_usd=0.25, unpriced=1)])
    assert [row["day"] for row in told["days"]] == ["2026-01-31", "2026-02-01"]
    assert told["total"] == {
        "input_tokens": 2,
        "output_tokens": 4,
        "cache_read_tokens": 6,
        "cache_write_tokens": 8,
        "cost_usd": 0.75,
        "unpriced": 1,
    }


def test_nothing_used_costs_nothing() -> None:
    assert set(report([])["total"].values()) == {0}
