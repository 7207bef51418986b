"""Composition root: settings → hive → API → screen. The only file that knows every layer."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deia_tui import __version__, approving, backups, billing, cli, lettercli, metricscli, schedulecli, taskcli
from deia_tui.core.errors import CommandRejected, ConfigError
from deia_tui.folder import Folder
from deia_tui.inside import inside_bot

if TYPE_CHECKING:
    from fastapi import FastAPI

    from deia_tui.core.client import HiveClient
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.household import Mode

    Company = Callable[[HiveClient], Coroutine[Any, Any, None]]


_FOR_HUMANS = (None, "serve", "backup", "restore")
"""What needs no supervisor to be asked; what does, the supervisor refuses to bots. None is the console."""
take_over_option = click.option(
    "--take-over", is_flag=True, help="Take the hive from another console, or from a supervisor that does not answer."
)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage or settings, 3 no supervisor runs.",
)
@click.option(
    "--hive",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="DEIA_HIVE",
    help="The folder that holds .deia/ (default: this one; in a bot, its hive's).",
)
@click.option("--read-only", is_flag=True, help="Watch only: the console changes nothing.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@take_over_option
@click.version_option(__version__, prog_name="deia-tui")
@click.pass_context
def main(context: click.Context, root: Path, read_only: bool, ascii_only: bool, take_over: bool) -> None:
    """Supervise a hive of AI bots. Without a command: the console on the hive of this folder."""
    with cli.errors_as_sentences():
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"deia-tui needs Linux (pidfd, subreaper, /proc); this is {sys.platform}.")
        context.obj = Folder(root.absolute())
        if context.invoked_subcommand in _FOR_HUMANS and (bot_id := inside_bot(context.obj)):
            raise CommandRejected(
                f"{bot_id} is a bot: it may look and write messages, and leaves this to humans.", status=403
            )
        if context.invoked_subcommand is None:
            run_console(context.obj, read_only=read_only, ascii_only=ascii_only, take_over=take_over)


@main.command()
@click.option("--background", is_flag=True, hidden=True)
@take_over_option
@click.pass_obj
def serve(folder: Folder, background: bool, take_over: bool) -> None:
    """Supervise the hive without a screen.

    Until SIGTERM or 'deia-tui shutdown'.
    """
    with cli.errors_as_sentences():
        run_serve(folder, "background" if background else "serve", take_over=take_over)


@main.command()
@click.option("--headless", is_flag=True, help="Print what happens instead of showing the console.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True, help="With --headless.")
def demo(headless: bool, seconds: float) -> None:
    """Look around in a temporary hive of nine bots.

    They code, ask for leave, work, burn, leak, crash and dawdle.
    """
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
    """Check this machine and this hive.

    Which agent programs are here, and what is wrong; exit 1 when something must be mended.
    """
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
    take_over: bool = False,
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
    from deia_tui.console import Console

    console = Console(folder, partial(supervise, folder=folder, company=company), take_over=take_over)
    console.run(read_only=read_only, ascii_only=ascii_only, throwaway=throwaway)


def run_serve(folder: Folder, mode: "Mode", *, take_over: bool) -> None:
    """Supervise in this thread; SIGTERM, SIGHUP and SIGINT end it as `on_term` says."""
    from deia_tui.hive.hive import Hive
    from deia_tui.hive.lock import HiveLock
    from deia_tui.hive.succession import succeed
    from deia_tui.settings import furnish, load

    folder.create()
    furnish(folder)
    load(folder)  # nobody is asked to go before it is clear that we can stay

    async def run() -> None:
        with succeed(folder, mode, take_over=True) if take_over else HiveLock(folder, mode) as lock:
            hive = Hive(folder, lambda: load(folder), mode=mode, version=__version__, lock=lock)
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signum, hive.close)
            sentence = f"Supervising {folder.root} (pid {os.getpid()})."
            await supervise(hive, folder, serving_now=lambda: click.echo(sentence))
        click.echo(hive.closing_reason or _what_became_of_the_bots(hive))

    asyncio.run(run())


def _what_became_of_the_bots(hive: "Hive") -> str:
    from deia_tui.core.bots import LIVE

    live = sum(bot.state in LIVE for bot in hive.snapshot().state.bots.values())
    if not live:
        return "The supervisor has ended; no bot runs."
    bots = "1 bot lives" if live == 1 else f"{live} bots live"
    return f"The supervisor has ended; {bots} on: 'deia-tui' takes over."


def run_headless(folder: Folder, seconds: float, company: "Company") -> None:
    """Supervise for some seconds, print what happens line by line, close with a table and stop the bots."""
    from deia_tui.core import report
    from deia_tui.core.events import OutputAdded, ThoughtAdded
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
                        if not isinstance(entry.event, (OutputAdded, ThoughtAdded, *ROUTINE)):
                            click.echo(cli.event_line(entry.event))
        except TimeoutError:
            click.echo(cli.table(report.status(client.snapshot(), time.time())["bots"]))
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
    """Open the hive and serve its API until somebody closes it.

    FastAPI, which takes a quarter of a second, is imported while the hive waits for its disk, its host and its bots.
    """
    importing = asyncio.create_task(asyncio.to_thread(_import_api))
    async with hive.open():
        beside = asyncio.create_task(company(hive)) if company is not None else None
        try:
            create_app, serving = await importing
            async with serving(create_app(hive, version=__version__), folder):
                serving_now()
                await hive.closed()
        finally:
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)


def _import_api() -> "tuple[Callable[..., FastAPI], Callable[[FastAPI, Folder], AbstractAsyncContextManager[None]]]":
    from deia_tui.api.app import create_app
    from deia_tui.api.server import serving

    return create_app, serving


def _at_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))  # None: it is closed


for _command in (
    *cli.COMMANDS,
    approving.approve,
    billing.cost,
    metricscli.metrics,
    taskcli.task,
    lettercli.msg,
    *backups.COMMANDS,
):
    main.add_command(_command)
for _command in schedulecli.COMMANDS:
    taskcli.task.add_command(_command)
