"""What all keepers of a hive share."""

from collections.abc import Callable
from dataclasses import dataclass

from deia_tui.engine.protocol import Engine
from deia_tui.folder import Folder
from deia_tui.hive.accounts import Accounts
from deia_tui.hive.bell import Bell
from deia_tui.hive.clock import Clock
from deia_tui.hive.launcher import Launcher
from deia_tui.hive.providers import Providers
from deia_tui.hive.record import Record
from deia_tui.hive.worktrees import Worktrees
from deia_tui.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`bell` rings when a message that waits may be handed over. `env_of` is what the agent of a name gets of the
    environment."""

    folder: Folder
    settings: Settings
    record: Record
    engine: Engine
    launcher: Launcher
    worktrees: Worktrees
    env_of: Callable[[str], dict[str, str]]
    clock: Clock
    bell: Bell
    providers: Providers
    accounts: Accounts
