"""prices.toml: the editable price table of a hive, and the shipped one."""

from datetime import date
from typing import Annotated

from pydantic import Field

from deia_tui.complaints import read_toml
from deia_tui.core.prices import ModelPrice, PriceTable
from deia_tui.folder import Folder
from deia_tui.settings import SAMPLE, Section

Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class ModelLine(Section):
    """USD per 1,000,000 tokens."""

    input: Usd
    output: Usd
    cache_read: Usd
    cache_write: Usd
    as_of: date
    source: str


class InstanceLine(Section):
    """What a template's `instance` costs."""

    usd_per_hour: Usd
    as_of: date
    source: str


class PricesFile(Section):
    """By model, where a name may be a pattern, and by instance."""

    models: dict[str, ModelLine] = {}
    instances: dict[str, InstanceLine] = {}


def load_prices(folder: Folder) -> PriceTable:
    """The table of this hive, or the shipped one where it has none. Raises ConfigError with file, line and field."""
    path = folder.prices if folder.prices.exists() else SAMPLE / "prices.toml"
    models = read_toml(path, PricesFile).models
    return PriceTable(
        tuple(
            ModelPrice(model=name.lower(), **line.model_dump(exclude={"as_of", "source"}))
            for name, line in models.items()
        )
    )


def shipped_prices() -> PriceTable:
    """For a hive whose table cannot be read."""
    return load_prices(Folder(SAMPLE))
