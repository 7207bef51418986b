"""One console, from the terminal it is shown in to the end of supervision: the screen in the main thread, the hive in
another. The terminal may go, be taken away or stop reading; the hive goes on until somebody wants its end."""

import asyncio
import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import termios
import time
import tomllib
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from deia_tui import __version__
from deia_tui.core.errors import DeiaError
from deia_tui.folder import Folder
from deia_tui.hive import succession
from deia_tui.hive.lock import HiveLock
from deia_tui.hive.thread import HiveThread
from deia_tui.ui.terminal import prepare_environment, wants_ascii

if TYPE_CHECKING:
    from deia_tui.hive.hive import Hive
    from deia_tui.ui.app import Leaving

    Supervise = Callable[[Hive], Coroutine[Any, Any, None]]

SWITCH_S = 0.001
"""How long the screen may keep the supervisor's thread waiting: Python's 5 ms would show in every commit."""
_POLL_S = 0.01
_PATIENCE_S = 1.0
_HANDOVER_S = 10.0
"""How long a successor in the background has to take over from us."""


class Console:
    """`supervise` opens a hive and returns when it closed. Raises HiveTaken where another supervisor must stay."""

    def __init__(self, folder: Folder, supervise: "Supervise", *, take_over: bool) -> None:
        folder.create()
        self._folder = folder
        self._supervise = supervise
        self._take_over = take_over
        self._lock: HiveLock | None = succession.claim(folder, "console", take_over=take_over)
        self._thread = HiveThread(self._be_supervisor)
        self._wants_end: Callable[[], object] = _nothing

    def run(self, *, read_only: bool, ascii_only: bool, throwaway: bool) -> None:
        """Until the operator leaves, or the hive is taken away; then what he chose for the bots."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_term)
        # A hang-up ends us, also under nohup, until there is something to go on with: a screen never begins without a
        # terminal.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if let_go_of_a_dead_terminal():
            raise DeiaError("The terminal is gone.")
        try:
            leaving = self._show(read_only=read_only, ascii_only=ascii_only, throwaway=throwaway)
        except BaseException:
            let_go_of_a_dead_terminal()
            self._thread.close(leave_bots=None)
            raise
        self._leave(leaving)
        if self._thread.error is not None:
            raise self._thread.error

    # The hive, in its thread

    async def _be_supervisor(self, present: "Callable[[Hive], None]") -> None:
        from deia_tui.hive.hive import Hive
        from deia_tui.settings import furnish, load

        lock = self._lock
        if lock is None:
            load(self._folder)  # nobody is asked to go before it is clear that we can stay
            lock = succession.succeed(self._folder, "console", take_over=self._take_over)
        with lock:
            furnish(self._folder)
            hive = Hive(self._folder, lambda: load(self._folder), mode="console", version=__version__, lock=lock)
            present(hive)
            await self._supervise(hive)

    # The screen

    def _show(self, *, read_only: bool, ascii_only: bool, throwaway: bool) -> "Leaving | None":
        """What the operator wants of the bots; None when he was not asked."""
        remote = prepare_environment(os.environ)
        sys.setswitchinterval(SWITCH_S)
        from deia_tui.ui.app import ConsoleApp, ConsoleOptions

        section = console_section(self._folder)
        section["read_only"] = read_only or section.get("read_only", False)
        section["ascii"] = ascii_only or section.get("ascii", False) or wants_ascii(os.environ)
        options = ConsoleOptions(remote=remote, version=__version__, throwaway=throwaway, **section)

        def begin() -> None:
            loop = asyncio.get_running_loop()
            self._wants_end = self._thread.ended = partial(loop.call_soon_threadsafe, app.exit)
            # Not by the loop: its handlers end with it, and a shell repeats the hang-up.
            signal.signal(signal.SIGHUP, lambda *_: _unless_closed(loop, app.hang_up))
            self._thread.start()

        app = ConsoleApp(self._thread, options=options, on_shown=begin)
        return app.run()

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        """The hive does not wait for the screen to be left: a terminal that does not read may take a while."""
        self._thread.ask_to_close(leave_bots=None)
        with contextlib.suppress(RuntimeError):
            self._wants_end()

    # The end

    def _leave(self, leaving: "Leaving | None") -> None:
        from deia_tui.ui.app import Leaving

        self._wants_end = self._thread.ended = _nothing
        signal.signal(signal.SIGHUP, lambda *_: None)  # a shell repeats it to its jobs
        dead = let_go_of_a_dead_terminal()
        if leaving is Leaving.BACKGROUND and dead:
            self._go_on_without_screen()
        elif leaving is Leaving.BACKGROUND:
            self._hand_over()
        else:
            self._thread.close(leave_bots=None if leaving is None else leaving is not Leaving.STOP)
            _say(self._thread.closing_reason or _left(self._folder))

    def _go_on_without_screen(self) -> None:
        """The terminal hung up: the same hive goes on, in the background."""
        self._thread.lose_console("the terminal hung up; supervised in the background from now on")
        gc.collect()  # what the screen held
        self._thread.wait()

    def _hand_over(self) -> None:
        """The shell waits for us: another process supervises on; it takes over from us once it is ready."""
        successor = serve_in_background(self._folder)
        deadline = time.monotonic() + _HANDOVER_S
        while not self._thread.wait(_POLL_S):
            if successor.poll() is not None or time.monotonic() > deadline:
                self._thread.close(leave_bots=True)
                log = self._folder.run / "serve.log"
                raise DeiaError(f"Nobody supervises in the background: read {log} for the reason; the bots run on.")
        _say(f"The hive is supervised in the background (pid {successor.pid}): 'deia-tui' comes back to it.")


def console_section(folder: Folder) -> dict[str, Any]:
    """The [console] settings. Only a hive that has some pays, before the first paint, for reading them in full."""
    try:
        if not tomllib.loads(folder.hive_toml.read_text("utf-8-sig")).get("console"):
            return {}
    except FileNotFoundError:
        return {}
    except ValueError:
        pass  # `load` says it better
    from deia_tui.settings import load

    return load(folder).settings.console.model_dump()


def let_go_of_a_dead_terminal() -> bool:
    """After a hang-up every write to it would fail: from now on they go nowhere. False while it lives."""
    try:
        termios.tcgetattr(0)
    except termios.error:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        return True
    return False


def serve_in_background(folder: Folder) -> "subprocess.Popen[bytes]":
    """A supervisor without a screen that outlives us, and takes the hive over from us."""
    argv = [sys.executable, "-m", "deia_tui", "--hive", str(folder.root), "serve", "--background", "--take-over"]
    log = os.open(
        folder.run / "serve.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True)
    finally:
        os.close(log)


def _left(folder: Folder) -> str:
    from deia_tui.remote import bots_alive

    count = bots_alive(folder)
    return f"{count} bot{'s' * (count > 1)} run on, and nobody restarts them: 'deia-tui' takes over." if count else ""


def _say(sentence: str) -> None:
    """Last words; a terminal that does not read does not get them."""
    if sentence and select.select([], [1], [], _PATIENCE_S)[1]:
        click.echo(sentence)


def _unless_closed(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _nothing() -> None:
    """Until there is a screen, and from its end on."""
