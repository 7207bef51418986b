"""Looks at the machine and the hive for what would go wrong, and says what to do about it."""

import json
import os
import platform
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import psutil

from deia_tui import cli
from deia_tui.core.errors import DeiaError
from deia_tui.folder import Folder

if TYPE_CHECKING:
    from deia_tui.core.client import Launchable
    from deia_tui.core.programs import Readiness
    from deia_tui.settings import Catalogue

WANTED_FILES = 4096
LOSES_ROWS = ((3, 7, 0), (3, 51, 2))
"""The first and the last SQLite in which two checkpoints at once can lose what was committed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`problem` stops the hive from working, `warning` spoils something, `ok` is for the record, `note` what one could
    have. `details` are for programs."""

    level: Literal["ok", "note", "warning", "problem"]
    subject: str
    text: str
    details: dict[str, Any] = field(default_factory=dict)


def report(folder: Folder, *, as_json: bool) -> None:
    """Print what was found; exit 1 when something must be mended."""
    findings = [finding for check in CHECKS for finding in check(folder)]
    if as_json:
        rows = [{"level": f.level, "subject": f.subject, "text": f.text, **f.details} for f in findings]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        marks = {"ok": "✓", "note": "·", "warning": "▲", "problem": "✖"}
        for finding in findings:
            click.echo(f"{marks[finding.level]} {finding.subject:<12} {finding.text}")
    if any(finding.level == "problem" for finding in findings):
        sys.exit(cli.FAILED)


def _system(folder: Folder) -> Iterator[Finding]:
    kernel = platform.release()
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        yield Finding("problem", "kernel", f"{kernel} has no pidfd: Linux 5.4 or newer is needed.")
    else:
        yield Finding("ok", "kernel", f"{platform.system()} {kernel}, Python {platform.python_version()}")
    yield _sqlite()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < WANTED_FILES:
        yield Finding("warning", "files", f"only {hard} open files allowed: raise 'ulimit -n' for many bots.")
    else:
        yield Finding("ok", "files", f"{soft} open files allowed (up to {'any' if hard < 0 else hard})")
    memory = psutil.virtual_memory()
    yield Finding("ok", "machine", f"{os.cpu_count()} cores, {memory.available / 1e9:.1f} GB of memory free")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if not LOSES_ROWS[0] <= sqlite3.sqlite_version_info <= LOSES_ROWS[1]:
        return Finding("ok", "database", f"SQLite {version}")
    return Finding(
        "warning",
        "database",
        f"SQLite {version} can lose rows when two connections checkpoint at once: here only one ever does, "
        "so open state.db with nothing but 'sqlite3 -readonly', or upgrade to 3.51.3.",
    )


def _folder(folder: Folder) -> Iterator[Finding]:
    if not folder.deia.exists():
        if os.access(folder.root, os.W_OK | os.X_OK):
            yield Finding("ok", "folder", f"{folder.deia} will be made")
        else:
            yield Finding("problem", "folder", f"Cannot write to {folder.root}: choose another folder with --hive DIR.")
        return
    try:
        folder.create()
    except DeiaError as error:
        yield Finding("problem", "folder", str(error))
        return
    free_mb = psutil.disk_usage(str(folder.deia)).free / 1e6
    level: Literal["warning", "ok"] = "warning" if free_mb < 500 else "ok"
    yield Finding(level, "folder", f"{folder.deia} can be written, {free_mb:,.0f} MB free")


def _settings(folder: Folder) -> Iterator[Finding]:
    from deia_tui.settings import load

    try:
        catalogue = load(folder)
    except DeiaError as error:
        yield Finding("problem", "settings", str(error))
        return
    yield Finding(
        "ok", "settings", f"{len(catalogue.templates)} templates, {len(catalogue.settings.bots)} bots declared"
    )
    yield from _agents(catalogue)
    process = catalogue.settings.process
    taken = sum(not _is_free(port) for port in range(process.first_port, process.last_port + 1))
    total = process.last_port - process.first_port + 1
    text = f"{total - taken} of {total} ports free ({process.first_port} to {process.last_port})"
    yield Finding("problem" if taken == total else "ok", "ports", text)


def _agents(catalogue: "Catalogue") -> Iterator[Finding]:
    """One finding an agent, then what else cannot be launched."""
    from deia_tui import adapters
    from deia_tui.hive import launching
    from deia_tui.preflight import Preflight
    from deia_tui.settings import agent_named

    def env_of(name: str) -> dict[str, str]:
        return launching.agent_environment(os.environ, agent_named(name, catalogue.settings.agents))

    ready = Preflight().look(launching.agents(catalogue, env_of))
    offered = launching.launchables(catalogue, ready, env_of, {})
    wanting = {name: [entry for entry in offered if _wants(entry, name)] for name in ready}
    for name, readiness in ready.items():
        yield _agent(readiness, wanting[name], declared=name in catalogue.settings.agents)
    for kind, problem in adapters.problems().items():
        yield Finding("warning" if problem else "ok", "adapter", problem or f"{kind}, brought by another package")
    for entry in offered:
        if entry.problem and (entry.ready is None or entry.ready.path or not entry.ready.program):
            yield Finding("warning", entry.sort, f"{entry.name}: {entry.problem}")


def _wants(entry: "Launchable", agent: str) -> bool:
    return entry.sort != "agent" and entry.ready is not None and entry.ready.agent == agent


def _agent(ready: "Readiness", wanted_by: list["Launchable"], *, declared: bool) -> Finding:
    """What nobody wants need not be there."""
    details = {"agent": {**asdict(ready), "wanted_by": [entry.name for entry in wanted_by]}}
    unfit: Literal["note", "warning"] = "warning" if wanted_by or declared else "note"
    text = str(ready)
    if ready.program and not ready.path:
        install = f"'{ready.install}' installs it" if ready.install else "install it, or correct its argv"
        names = f"; {', '.join(entry.name for entry in wanted_by)} cannot run without" if wanted_by else ""
        return Finding(unfit, "agent", f"{text}: {install}{names}", details)
    if ready.logged_in is False:
        return Finding(unfit, "agent", f"{text}: {ready.login}", details)
    return Finding("ok", "agent", text, details)


def _supervisor(folder: Folder) -> Iterator[Finding]:
    from deia_tui.hive.lock import HiveLock, HiveTaken

    if not folder.run.is_dir():
        return
    try:
        with HiveLock(folder, "doctor"):
            yield Finding("ok", "supervisor", "nobody supervises this hive now")
    except HiveTaken as taken:
        yield Finding("ok", "supervisor", f"pid {taken.holder.pid} ({taken.holder.mode})")


def _login(folder: Folder) -> Iterator[Finding]:
    """systemd-logind may end everything at logout, bots included."""
    if "XDG_SESSION_ID" not in os.environ or not Path("/run/systemd/seats").exists():
        yield Finding("ok", "logout", "no login session that would end the bots")
        return
    try:
        shown = subprocess.run(
            ["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("warning", "logout", f"loginctl does not answer ({error}): bots may end when you log out.")
        return
    if shown.stdout.strip() == "yes":
        yield Finding("ok", "logout", "lingering is on: bots stay when you log out")
    else:
        yield Finding(
            "warning", "logout", "where KillUserProcesses is on, logout ends the bots: 'loginctl enable-linger'."
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


CHECKS: tuple[Callable[[Folder], Iterator[Finding]], ...] = (_system, _folder, _settings, _supervisor, _login)
