"""The process of one bot. `warm` does once, before any fork, all that is the same for every bot; `run` is the rest."""

import asyncio
import gc
import signal
import socket
import sys
from functools import cache, partial

import uvicorn

from deia_tui import adapters
from deia_tui.bot import routes
from deia_tui.bot.children import adopt_orphans
from deia_tui.bot.life import Life
from deia_tui.bot.rehearsal import rehearse
from deia_tui.bot.seed import Seed
from deia_tui.core.bots import CANNOT_START, DRAIN_SIGNAL
from deia_tui.serving import QuietServer, quiet_config

WARM = frozenset({"shell", "command"})
"""Kinds of agents that every host has imported; others cost time and memory that a host of shells would not need."""
_FAREWELL_S = 0.5
"""How long listeners may take to read the last frames; the spool has them anyway."""


def warm() -> None:
    """Import and build everything, and push requests through, so that a forked bot neither imports nor builds."""
    for kind in WARM:
        adapters.load(kind)
    asyncio.run(rehearse(_config()))


def prepare(kind: str) -> None:
    """Import what agents of this kind need beyond that, before the first of them is forked. Raises ConfigError."""
    adapters.load(kind)
    gc.collect()
    gc.freeze()


def run(seed: Seed, listener: socket.socket) -> int:
    """Be the bot `seed` on a bound socket until it ends; returns the exit status. Owns the process and its signals."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)  # not SIG_IGN, which the agent would inherit
    adopt_orphans()
    try:
        return asyncio.run(_live(seed, listener))
    except* OSError as errors:
        print(f"{seed.bot_id} cannot serve: {errors.exceptions[0]}.", file=sys.stderr, flush=True)
    return CANNOT_START


async def _live(seed: Seed, listener: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    life = Life(seed)
    sys.stderr = life.log  # a traceback may quote a secret
    config = _config()
    config.loaded_app.state.life = life
    loop.add_signal_handler(signal.SIGCHLD, life.children.reap)
    loop.add_signal_handler(signal.SIGTERM, life.end, "SIGTERM")
    loop.add_signal_handler(DRAIN_SIGNAL, partial(life.end, "drained", drain=True))
    server = QuietServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        status = await life.live()
        server.end(patience_s=_FAREWELL_S)
    return status


@cache
def _config() -> uvicorn.Config:
    config = quiet_config(routes.build())
    config.load()
    return config
