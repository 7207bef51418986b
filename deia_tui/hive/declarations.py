"""What hive.toml and the templates declare: settings as they were at the start, everything else as it is now."""

import os
from collections.abc import Callable

from deia_tui.hive import launching
from deia_tui.settings import AgentSection, Catalogue, agent_named


class Declarations:
    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        """`catalogue` reads the files anew."""
        self._catalogue = catalogue
        self.settings = catalogue().settings
        self._agents = self.settings.agents

    def read(self) -> Catalogue:
        """As the files are now; what agents get in their environment is as it was when last read.

        Bots of an agent that is gone from there live on, and start again with what it had.
        """
        found = launching.read(self._catalogue)
        self._agents = {**self._agents, **found.settings.agents}
        return found

    def agent(self, name: str) -> AgentSection | None:
        """The agent that was declared by this name."""
        return self._agents.get(name)

    def env_of(self, name: str) -> dict[str, str]:
        """What the agent of this name gets of the environment."""
        return launching.agent_environment(os.environ, agent_named(name, self._agents))
