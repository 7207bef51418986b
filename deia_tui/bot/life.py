"""One run of a bot, from its seed to its last words."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deia_tui import adapters
from deia_tui.bot.agents.means import Means
from deia_tui.bot.agents.place import place_of
from deia_tui.bot.agents.protocol import Agent, AgentFailed
from deia_tui.bot.approvals import Approvals
from deia_tui.bot.children import Children
from deia_tui.bot.conversation import Conversation
from deia_tui.bot.output_log import OutputLog
from deia_tui.bot.seed import Seed
from deia_tui.bot.spool import Spool
from deia_tui.bot.worker import Worker
from deia_tui.core.bots import CANNOT_START
from deia_tui.core.errors import ConfigError
from deia_tui.core.redact import redact_text
from deia_tui.folder import Folder, write_atomic

OK = 0
_AGENT_FAILED = 70
"""EX_SOFTWARE of sysexits.h: a crash, after which the restart policy decides."""


class Life:
    """What the service shows and steers. Making one touches neither disk nor processes; `live` does."""

    def __init__(self, seed: Seed) -> None:
        folder = Folder(seed.root)
        self.seed = seed
        self._folder = folder
        self.children = Children()
        self.log = OutputLog(folder.output_log(seed.bot_id))
        self.spool = Spool(folder.spool(seed.bot_id, seed.run), self._complain)
        self.place = place_of(seed)
        spec = seed.spec.agent
        self.agent: Agent = adapters.load(spec.kind)(self._means())
        self.approvals = Approvals(self.spool, self.log.line, spec.approval_timeout_s, spec.permissions, seed.grants)
        self.conversation = Conversation(self.agent, spec, self.spool, self.log, self.children, session=seed.session)
        self.worker = Worker(self.conversation, self.spool, self.log, self.approvals, grace_s=seed.spec.work_grace_s)
        self._started = time.monotonic()
        self._reason = ""

    @property
    def uptime_s(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def end(self, reason: str, *, drain: bool = False) -> None:
        """Begin a graceful end; `reason` of the first call is recorded."""
        self._reason = self._reason or reason
        self.worker.end(drain=drain)

    async def live(self) -> int:
        """Work until ended, leave nothing running, write the last words; returns the exit status."""
        try:
            await self.worker.open()
            self.spool.add({"type": "ready"})
            await self.worker.run()
        except ConfigError as error:
            return await self._fail(str(error), CANNOT_START)
        except AgentFailed as error:
            return await self._fail(str(error), _AGENT_FAILED)
        await self._leave_nothing_running()
        self.place.leave()
        self._leave(self._folder.last_words(self.seed.bot_id), self._final_state())
        self._leave_exit(OK)
        self.spool.close()
        return OK

    def _means(self) -> Means:
        return Means(
            spec=self.seed.spec.agent,
            place=self.place,
            children=self.children,
            prompt_file=self._folder.spool(self.seed.bot_id, self.seed.run).with_suffix(".prompt"),
            log=self.log.line,
        )

    async def _fail(self, why: str, status: int) -> int:
        self.log.line(why)
        self.spool.add({"type": "log", "level": "error", "text": redact_text(why)})
        await self._leave_nothing_running()
        self._leave_exit(status)
        self.spool.close()
        return status

    async def _leave_nothing_running(self) -> None:
        await self.conversation.close()
        await self.children.kill()

    def _final_state(self) -> dict[str, Any]:
        return {
            "bot_id": self.seed.bot_id,
            "run": self.seed.run,
            "stopped_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "reason": self._reason,
            "interrupted_messages": self.worker.given_up,
            **asdict(self.worker.counts),
            "uptime_s": self.uptime_s,
        }

    def _leave_exit(self, code: int) -> None:
        path = self._folder.own_exit_record(self.seed.bot_id, self.seed.run)
        self._leave(path, {"code": code, "at": time.time()})

    def _leave(self, path: Path, content: dict[str, Any]) -> None:
        # Not synced: a hundred bots stop together, and after a power cut the hive knows that they are gone.
        try:
            write_atomic(path, json.dumps(content).encode() + b"\n", sync=False)
        except OSError as error:
            self._complain(f"{path.name} cannot be written: {error.strerror}.")

    def _complain(self, sentence: str) -> None:
        self.log.line(sentence)
        self.spool.add({"type": "log", "level": "error", "text": sentence})
