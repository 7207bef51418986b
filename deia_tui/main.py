"""Composition root: settings → hive → API → screen. The only file that knows every layer."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deia_tui import __version__, cli
from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.identity import wait_for_end

if TYPE_CHECKING:
    from deia_tui.hive.hive import Hive, Mode
    from deia_tui.hive.lock import HiveLock


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--hive",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder that holds .deia/ (default: this one).",
)
@click.option("--read-only", is_flag=True, help="Watch only: the console changes nothing.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.version_option(__version__, prog_name="deia-tui")
@click.pass_context
def main(context: click.Context, root: Path, read_only: bool, ascii_only: bool) -> None:
    """Supervise a hive of AI bots. Without a command: the console on the hive of this folder."""
    with cli.errors_as_sentences():
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"deia-tui needs Linux (pidfd, subreaper, /proc); this is {sys.platform}.")
        context.obj = Folder(root.absolute())
        if context.invoked_subcommand is None:
            run_console(context.obj, read_only=read_only, ascii_only=ascii_only)


@main.command()
@click.option("--background", is_flag=True, hidden=True)
@click.pass_obj
def serve(folder: Folder, background: bool) -> None:
    """Supervise the hive without a screen, until SIGTERM or 'deia-tui shutdown'."""
    with cli.errors_as_sentences():
        run_serve(folder, "background" if background else "serve")


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"deia-tui {__version__}")


def run_console(folder: Folder, *, read_only: bool = False, ascii_only: bool = False) -> None:
    """The console, until the operator leaves it; then what they chose for the bots."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "This is not a terminal: use 'deia-tui serve' to supervise without a screen, "
            "or 'deia-tui demo --headless' to look around."
        )
    from deia_tui.ui.terminal import prepare_environment

    prepare_environment(os.environ)
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.thread import HiveThread
    from deia_tui.settings import furnish, load
    from deia_tui.ui.app import ConsoleApp, ConsoleOptions, Leaving

    folder.create()
    furnish(folder)
    settings = load(folder).settings
    with take_hive(folder):
        hive = Hive(folder, lambda: load(folder), mode="console", version=__version__)
        thread = HiveThread(hive, lambda: supervise(hive, folder))
        options = ConsoleOptions(
            theme=settings.console.theme,
            ascii=ascii_only or settings.console.ascii,
            read_only=read_only or settings.console.read_only,
            remote=bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY")),
            version=__version__,
        )
        app = ConsoleApp(thread, options=options, on_shown=lambda: begin())

        def begin() -> None:
            loop = asyncio.get_running_loop()
            on_term = Leaving.STOP if settings.hive.on_term == "stop" else Leaving.LEAVE
            loop.add_signal_handler(signal.SIGTERM, app.exit, on_term)
            loop.add_signal_handler(signal.SIGHUP, app.exit, Leaving.BACKGROUND)
            thread.ended = partial(loop.call_soon_threadsafe, app.exit, Leaving.LEAVE)
            thread.start()

        leaving: Leaving | None = None
        try:
            leaving = app.run()
        finally:
            thread.close(leave_bots=leaving is not Leaving.STOP)
    if thread.error is not None:
        raise thread.error
    if leaving is Leaving.BACKGROUND:
        pid = serve_in_background(folder)
        click.echo(f"The hive is supervised in the background (pid {pid}): 'deia-tui' comes back to it.")


def run_serve(folder: Folder, mode: "Mode") -> None:
    """Supervise in this thread; SIGTERM, SIGHUP and SIGINT end it as `on_term` says."""
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.lock import HiveLock
    from deia_tui.settings import furnish, load

    folder.create()
    furnish(folder)
    leave_bots = load(folder).settings.hive.on_term == "leave"
    with HiveLock(folder, mode):
        hive = Hive(folder, lambda: load(folder), mode=mode, version=__version__)

        async def run() -> None:
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, hive.close, leave_bots)
            await supervise(hive, folder, lambda: click.echo(f"Supervising {folder.root} (pid {os.getpid()})."))

        asyncio.run(run())


async def supervise(hive: "Hive", folder: Folder, serving_now: Callable[[], object] = lambda: None) -> None:
    """Open the hive and serve its API until somebody closes it. FastAPI is imported once the bots are looked after."""
    async with hive.open():
        from deia_tui.api.app import create_app
        from deia_tui.api.server import serving

        async with serving(create_app(hive, version=__version__), folder):
            serving_now()
            await hive.closed()


def take_hive(folder: Folder) -> "HiveLock":
    """The lock of the hive, not entered yet; a supervisor that runs in the background is asked to make room first."""
    from deia_tui.hive.lock import HiveLock, HiveTaken

    try:
        with HiveLock(folder, "console"):
            pass
    except HiveTaken as taken:
        if taken.holder.mode != "background":
            raise
        from deia_tui.remote import RemoteHive

        RemoteHive(folder).post("/api/shutdown", {"leave_bots": True})
        wait_for_end(taken.holder.pid)
    return HiveLock(folder, "console")


def serve_in_background(folder: Folder) -> int:
    """Start a supervisor without a screen that outlives us; returns its pid."""
    with open(folder.run / "serve.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deia_tui", "--hive", str(folder.root), "serve", "--background"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        ).pid


for _command in cli.COMMANDS:
    main.add_command(_command)
