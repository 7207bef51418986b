"""The routes of the scheduler: what it has learned of bots and types of tasks, whom it recommends; and to forget it."""

import time
from typing import Any, Protocol

from fastapi import APIRouter

from deia_tui.core import commands as cmd
from deia_tui.core.client import HiveClient
from deia_tui.core.errors import CommandRejected
from deia_tui.core.scheduling import standings
from deia_tui.core.scheduling.standings import Standings


class Learned(HiveClient, Protocol):
    def standings(self) -> Standings:
        """What the scheduler has learned by now."""


def scheduling_routes(client: Learned) -> APIRouter:
    router = APIRouter(prefix="/api/scheduling", tags=["work"])

    @router.get("/bots")
    async def bots() -> list[dict[str, Any]]:
        """How every bot does its tasks, by type. Durations are in seconds; rates, expectations and scores from 0 to 1,
        newer results counting more."""
        learned = client.standings()
        return [standings.bot(bot_id, learned) for bot_id in learned.bots]

    @router.get("/bots/{bot_id}")
    async def bot(bot_id: str) -> dict[str, Any]:
        learned = client.standings()
        if bot_id not in learned.bots:
            raise CommandRejected(f"There is no bot '{bot_id[:40]}'.", status=404)
        return standings.bot(bot_id, learned)

    @router.get("/types")
    async def types() -> list[dict[str, Any]]:
        """How every type of task was done, by bot; types that nobody has done are left out."""
        learned = client.standings()
        return [standings.task_type(kind, learned) for kind in learned.types]

    @router.get("/recommendations")
    async def recommendations() -> list[dict[str, Any]]:
        """Whom to give which type of task, as far as is known, if nobody had anything else to do."""
        return [standings.recommendation(one) for one in client.standings().recommendations]

    @router.get("/export")
    async def export() -> dict[str, Any]:
        """All that was learned, one object for each bot and type."""
        return {"at": time.time(), "performance": standings.export(client.standings())}

    @router.post("/reset/{bot_id}")
    async def reset(bot_id: str) -> dict[str, str]:
        """Forget how a bot did its tasks: it is tried anew."""
        await client.submit(cmd.ForgetPerformance(bot_id=bot_id))
        return {"bot_id": bot_id}

    return router
