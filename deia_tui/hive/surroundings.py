"""What all keepers of a hive share."""

from dataclasses import dataclass

import httpx

from deia_tui.engine.protocol import Engine
from deia_tui.folder import Folder
from deia_tui.hive.clock import Clock
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.record import Record
from deia_tui.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`env` is what agents get of the environment."""

    folder: Folder
    settings: Settings
    record: Record
    engine: Engine
    launcher: Launcher
    http: httpx.AsyncClient
    env: dict[str, str]
    clock: Clock
