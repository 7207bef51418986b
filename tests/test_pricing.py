import os
import re
from pathlib import Path

import pytest

from deia_tui.core.errors import ConfigError
from deia_tui.core.prices import differ
from deia_tui.core.turns import Usage
from deia_tui.folder import Folder
from deia_tui.pricing import load_prices, shipped_prices

LINE = """
[models."small*"]
input = 1.0
output = 2.0
cache_read = 0.1
cache_write = 1.25
as_of = 2026-01-31
source = "the bill"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.create()
    return folder


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("claude-opus-4-1-20250805", 15.0),
        ("claude-opus-4-8", 5.0),
        ("anthropic/claude-sonnet-4-20250514", 3.0),
        ("claude-haiku-4-5-20251001", 1.0),
        ("gpt-5-mini", 0.25),
        ("GPT-5-Nano-2025-08-07", 0.05),
        ("claude-opus-5-5", 4.0),
        ("claude-sonnet-5-5", None),
        ("gpt-5.2", None),
        ("nobody-knows", None),
        ("", None),
    ],
)
def test_the_shipped_table_prices_a_million_tokens(model: str, usd: float | None) -> None:
    assert shipped_prices().cost_usd(Usage(model=model, input_tokens=1_000_000)) == usd


def test_every_kind_of_token_has_its_price(folder: Folder) -> None:
    folder.prices.write_text(LINE)
    usage = Usage(
        model="Small-2", input_tokens=10, output_tokens=100, cache_read_tokens=1000, cache_write_tokens=10_000
    )
    assert load_prices(folder).cost_usd(usage) == pytest.approx((10 + 200 + 100 + 12_500) / 1e6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (LINE.replace("1.25", "-1"), r"prices\.toml, line 6: models\.small\*\.cache_write: "),
        (LINE.replace("1.25", "inf"), r"line 6: models\.small\*\.cache_write: "),
        (LINE.replace("output", "outptu"), "did you mean 'output'"),
        (LINE.replace("2026-01-31", '"soon"'), r"line 7: models\.small\*\.as_of: "),
        ("[models", r"prices\.toml: "),
        ("x = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_table_that_is_wrong_is_told_with_its_place(folder: Folder, wrong: str, said: str) -> None:
    folder.prices.write_text(wrong)
    with pytest.raises(ConfigError, match=said):
        load_prices(folder)


def test_a_table_that_is_no_file_keeps_nobody_waiting(folder: Folder) -> None:
    os.mkfifo(folder.prices)
    with pytest.raises(ConfigError, match="is no file"):
        load_prices(folder)


def test_a_hive_without_a_table_has_the_shipped_one(folder: Folder) -> None:
    assert load_prices(folder) == shipped_prices()


def test_rounding_is_no_difference_and_a_tenth_is_none_either() -> None:
    assert not differ(0.00001, 0.00005)
    assert not differ(1.0, 1.09)
    assert differ(1.0, 1.2) and differ(1.0, 0.8)


def test_every_line_of_the_shipped_table_is_dated_and_has_a_source() -> None:
    text = (Path(__file__).parents[1] / "deia_tui" / "sample" / "prices.toml").read_text()
    lines = len(re.findall(r"^\[", text, re.MULTILINE))
    assert lines == len(re.findall(r"^as_of = \d{4}-\d\d-\d\d$", text, re.MULTILINE))
    assert lines == len(re.findall(r'^source = "https://', text, re.MULTILINE))
