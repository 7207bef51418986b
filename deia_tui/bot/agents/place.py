"""Where an agent works: its folder and its environment."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deia_tui.bot.seed import Seed
from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`own`: the folder belongs to the bot, under `.deia/run/work/`; otherwise it must be there.

    `spools` is where files of the bot itself may lie for a while.
    """

    folder: Path
    own: bool
    spools: Path
    env: dict[str, str]

    def prepare(self) -> None:
        """Raises ConfigError when nobody can work there."""
        try:
            if self.own:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"Cannot make the folder {self.folder}: {error.strerror}.") from error
        if not os.access(self.folder, os.X_OK) or not self.folder.is_dir():
            raise ConfigError(f"The working folder {self.folder} does not exist or cannot be entered.")

    def lack_of(self, program: str) -> str:
        """Why this program cannot be run there, or "" if it can."""
        path = self.folder / program if "/" in program else program
        if shutil.which(path, path=self.env.get("PATH")) is not None:
            return ""
        return "does not exist or cannot be executed" if "/" in program else "is not on PATH"

    def leave(self) -> None:
        """Remove the bot's own folder, if nothing is in it."""
        try:
            if self.own:
                self.folder.rmdir()
        except OSError:
            return  # the agent's files, which stay


def place_of(seed: Seed) -> Place:
    env = {**seed.env, "DEIA_BOT_ID": seed.bot_id, "DEIA_RUN": seed.nonce, "DEIA_HIVE": str(seed.root)}
    folder, workdir = Folder(seed.root), seed.folder or seed.spec.workdir
    if workdir:
        return Place(folder=Path(workdir), own=False, spools=folder.spools, env=env)
    return Place(folder=folder.workspace(seed.bot_id), own=True, spools=folder.spools, env=env)
