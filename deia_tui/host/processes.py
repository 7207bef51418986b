"""What runs on this machine, read from /proc: who descends from whom, who carries which nonce, who used how much."""

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from deia_tui.host.brand import brand_of, brand_worn
from deia_tui.host.titles import NONCE_VARIABLE
from deia_tui.identity import Identity, boot_id, start_ticks


class Process(NamedTuple):
    """One line of /proc/PID/stat. CPU times in clock ticks: its own, and that of the children it has reaped."""

    pid: int
    ppid: int
    zombie: bool
    own_ticks: int
    reaped_ticks: int
    threads: int
    start_ticks: int
    rss_pages: int

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.start_ticks, boot_id())


Tree = Mapping[int, list[Process]]
"""Processes by their parent's pid."""


def by_parent() -> Tree:
    """Everything that runs now, in one pass. Raises OSError, never half of it, when out of descriptors."""
    tree: dict[int, list[Process]] = {}
    for process in _all():
        tree.setdefault(process.ppid, []).append(process)
    return tree


def descendants(tree: Tree, pid: int) -> list[Process]:
    """Everything below `pid`, zombies included."""
    found = list(tree.get(pid, ()))
    for process in found:
        found += tree.get(process.pid, ())
    return found


def living(tree: Tree) -> dict[Identity, Process]:
    """Everything in it that is no zombie."""
    return {process.identity: process for siblings in tree.values() for process in siblings if not process.zombie}


def my_children() -> list[int]:
    """The children of this (single-threaded) process, adopted orphans and zombies included."""
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/children", "rb") as children:
            return [int(pid) for pid in children.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [process.pid for process in by_parent().get(os.getpid(), ())]


def carriers(nonces: Collection[str]) -> list[tuple[str, Identity]]:
    """Every process that has one of `nonces` in the environment it was started with, or wears its brand."""
    entries = {f"{NONCE_VARIABLE}={nonce}".encode(): nonce for nonce in nonces}
    brands = {brand_of(nonce): nonce for nonce in nonces}
    found = []
    for pid in _pids() if nonces else ():
        ticks = start_ticks(pid)
        carried = {entries[entry] for entry in entries.keys() & set(_environ(pid).split(b"\0"))}
        carried |= {brands[brand] for brand in brands.keys() & {brand_worn(pid)}}
        if ticks is not None:
            found += [(nonce, Identity(pid, ticks, boot_id())) for nonce in carried]
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _environ(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return environ.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _all() -> Iterator[Process]:
    for pid in _pids():
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            stat = os.read(fd, 1024)
        except ProcessLookupError:
            continue
        finally:
            os.close(fd)
        field = stat[stat.rindex(b")") + 2 :].split(b" ", 22)
        yield Process(
            pid,
            int(field[1]),
            field[0] in b"ZX",
            int(field[11]) + int(field[12]),
            int(field[13]) + int(field[14]),
            int(field[17]),
            int(field[19]),
            int(field[21]),
        )
