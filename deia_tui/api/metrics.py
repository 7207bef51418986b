"""How the bots did, by HTTP; and how long the API itself takes to begin its answers."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WAITS = ("/api/bot/", "/api/bots/")
"""Answers under these come when a bot has started or ended, however long that takes."""


class Measured(Protocol):
    async def metrics(self) -> dict[str, Any]:
        """As metricsreport.summary."""

    def answered(self, took_s: float) -> None:
        """The API answered a request."""


def metrics_routes(client: Measured) -> APIRouter:
    router = APIRouter(tags=["metrics"])

    @router.get("/api/metrics/summary")
    async def summary() -> dict[str, Any]:
        """The last hour beside the last 24, of each bot and in total. Times of tasks are seconds, those of calls and of
        this API milliseconds; right to 5 %. Null where nothing happened, or nobody told."""
        return await client.metrics()

    return router


class Timing:
    def __init__(self, app: ASGIApp, answered: Callable[[float], None]) -> None:
        self._app = app
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_WAITS):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, timed)
