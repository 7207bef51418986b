"""What a newborn bot is told: everything that distinguishes it from its siblings."""

from dataclasses import dataclass, field
from pathlib import Path

from deia_tui.core.bots import BotSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """`nonce` marks every process of this run (DEIA_RUN in its environment); `token` opens its HTTP service.

    `env` is the environment its agent gets, `session` the conversation it goes on with (or ""), `grants` what a human
    allowed for always. `root` is the folder that holds `.deia/`, `folder` where it works if that is not for its spec to
    say: a worktree that was made for it.
    """

    root: Path
    bot_id: str
    run: int
    nonce: str
    token: str
    spec: BotSpec
    env: dict[str, str] = field(default_factory=dict)
    session: str = ""
    grants: tuple[str, ...] = ()
    folder: str = ""
