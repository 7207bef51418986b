"""Composition root: settings → hive → API → screen. The only file that knows every layer."""

import asyncio
import os
import signal
import subprocess
import sys
import termios
import tomllib
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deia_tui import __version__, cli
from deia_tui.core.errors import ConfigError
from deia_tui.folder import Folder
from deia_tui.identity import wait_for_end

if TYPE_CHECKING:
    from deia_tui.core.client import HiveClient
    from deia_tui.hive.hive import Hive, Mode
    from deia_tui.hive.lock import HiveLock

    Company = Callable[[HiveClient], Coroutine[Any, Any, None]]


SWITCH_S = 0.001
"""How long the screen may keep the supervisor's thread waiting: Python's 5 ms would show in every commit."""


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
@click.option("--headless", is_flag=True, help="Print what happens instead of showing the console.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True, help="With --headless.")
def demo(headless: bool, seconds: float) -> None:
    """Look around in a temporary hive of bots that work, burn, leak, crash and dawdle."""
    from deia_tui.demo.hive import converse, temporary_hive

    with cli.errors_as_sentences():
        if not headless and not _at_terminal():
            click.echo(f"No terminal here: the demo runs headless for {seconds:.0f} s.")
            headless = True
        with temporary_hive() as folder:
            if headless:
                run_headless(folder, seconds, converse)
            else:
                run_console(folder, company=converse, throwaway=True)


@main.command()
@cli.json_option
@click.pass_obj
def doctor(folder: Folder, as_json: bool) -> None:
    """Check this machine and this hive; exit 1 when something must be mended."""
    from deia_tui import doctor

    doctor.report(folder, as_json=as_json)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"deia-tui {__version__}")


def run_console(
    folder: Folder,
    *,
    read_only: bool = False,
    ascii_only: bool = False,
    company: "Company | None" = None,
    throwaway: bool = False,
) -> None:
    """The console, until the operator leaves it; then what they chose for the bots.

    `company` runs beside the hive. Nobody is asked about the bots of a `throwaway` hive: they stop.
    """
    if not _at_terminal():
        raise ConfigError(
            "This is not a terminal: use 'deia-tui serve' to supervise without a screen, "
            "or 'deia-tui demo --headless' to look around."
        )
    from deia_tui.ui.terminal import prepare_environment, wants_ascii

    remote = prepare_environment(os.environ)
    sys.setswitchinterval(SWITCH_S)
    from deia_tui.hive.thread import HiveThread
    from deia_tui.ui.app import ConsoleApp, ConsoleOptions, Leaving

    folder.create()
    section = console_section(folder)

    async def supervise_here(present: "Callable[[Hive], None]") -> None:
        from deia_tui.hive.hive import Hive
        from deia_tui.settings import furnish, load

        furnish(folder)
        hive = Hive(folder, lambda: load(folder), mode="console", version=__version__)
        present(hive)
        await supervise(hive, folder, company=company)

    with take_hive(folder):
        thread = HiveThread(supervise_here)
        section["read_only"] = read_only or section.get("read_only", False)
        section["ascii"] = ascii_only or section.get("ascii", False) or wants_ascii(os.environ)
        options = ConsoleOptions(remote=remote, version=__version__, throwaway=throwaway, **section)
        app = ConsoleApp(thread, options=options, on_shown=lambda: begin())

        def begin() -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, app.exit)
            loop.add_signal_handler(signal.SIGHUP, app.hang_up)
            thread.ended = partial(loop.call_soon_threadsafe, app.exit)
            thread.start()

        leaving: Leaving | None = None
        try:
            leaving = app.run()
        finally:
            let_go_of_a_dead_terminal()
            thread.close(leave_bots=None if leaving is None else leaving is not Leaving.STOP)
    if thread.error is not None:
        raise thread.error
    if leaving is Leaving.BACKGROUND:
        pid = serve_in_background(folder)
        click.echo(f"The hive is supervised in the background (pid {pid}): 'deia-tui' comes back to it.")


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


def let_go_of_a_dead_terminal() -> None:
    """After a hang-up every write to it would fail: from now on they go nowhere."""
    try:
        termios.tcgetattr(0)
    except termios.error:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)


def run_serve(folder: Folder, mode: "Mode") -> None:
    """Supervise in this thread; SIGTERM, SIGHUP and SIGINT end it as `on_term` says."""
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.lock import HiveLock
    from deia_tui.settings import furnish, load

    folder.create()
    furnish(folder)
    with HiveLock(folder, mode):
        hive = Hive(folder, lambda: load(folder), mode=mode, version=__version__)

        async def run() -> None:
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, hive.close)
            sentence = f"Supervising {folder.root} (pid {os.getpid()})."
            await supervise(hive, folder, serving_now=lambda: click.echo(sentence))

        asyncio.run(run())


def run_headless(folder: Folder, seconds: float, company: "Company") -> None:
    """Supervise for some seconds, print what happens line by line, close with a table and stop the bots."""
    from deia_tui.core import report
    from deia_tui.core.events import OutputAdded
    from deia_tui.core.wording import ROUTINE
    from deia_tui.following import follow
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.lock import HiveLock
    from deia_tui.settings import load

    async def watch(client: "HiveClient") -> None:
        talking = asyncio.create_task(company(client))
        try:
            async with asyncio.timeout(seconds):
                async for page in follow(client, after=0):
                    for entry in page:
                        if not isinstance(entry.event, (OutputAdded, *ROUTINE)):
                            click.echo(cli.event_line(entry.event))
        except TimeoutError:
            click.echo(cli.table(report.status(client.snapshot())["bots"]))
        finally:
            talking.cancel()
            hive.close(False)

    with HiveLock(folder, "serve"):
        hive = Hive(folder, lambda: load(folder), mode="serve", version=__version__)

        async def run() -> None:
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, hive.close, False)
            await supervise(hive, folder, company=watch)

        asyncio.run(run())


async def supervise(
    hive: "Hive",
    folder: Folder,
    *,
    serving_now: Callable[[], object] = lambda: None,
    company: "Company | None" = None,
) -> None:
    """Open the hive and serve its API until somebody closes it. FastAPI is imported once the bots are looked after."""
    async with hive.open():
        beside = asyncio.create_task(company(hive)) if company is not None else None
        try:
            from deia_tui.api.app import create_app
            from deia_tui.api.server import serving

            async with serving(create_app(hive, version=__version__), folder):
                serving_now()
                await hive.closed()
        finally:
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)


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


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


for _command in cli.COMMANDS:
    main.add_command(_command)
