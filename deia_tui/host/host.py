"""The host: owns the bot processes of one hive on this machine, and tells whoever is connected what becomes of them."""

import os
import signal
import socket
import time
from collections.abc import Iterable

from deia_tui.folder import Folder
from deia_tui.host.clients import Client, Clients
from deia_tui.host.custody import Custody
from deia_tui.host.newborn import Child
from deia_tui.host.processes import by_parent
from deia_tui.host.records import Exit, Key, Records, RunRecord
from deia_tui.host.sample import Sampler
from deia_tui.host.spawn import Request, Spawner, SpawnFailed
from deia_tui.host.wire import PROTOCOL, Line, fingerprint

UNNEEDED_S = 5.0
SAMPLE_PERIOD_S = 1.0


class Host:
    """Serves on `listener` from `serve` until nobody needs it; `nofile` are the limits its bots get."""

    def __init__(self, folder: Folder, child: Child, listener: socket.socket, nofile: tuple[int, int]) -> None:
        self._records = Records(folder)
        self._custody = Custody(self._records, on_exit=self._announce, on_rest=self._may_end)
        self._loop = self._custody.loop
        self._clients = Clients(self._loop, listener, obey=self._obey, left=self._may_end)
        self._spawner = Spawner(folder, child, self._records, inherited=self._sockets, nofile=nofile)
        self._requests: dict[Key, tuple[Client, Request]] = {}
        self._sampler = Sampler()
        self._sampling = False
        self._retiring = False
        self._needed_at = 0.0
        self._fingerprint = fingerprint()

    def serve(self) -> None:
        for record in self._records.read():
            self._custody.take_over(record)
        self._may_end()
        self._loop.run()
        self._records.save()
        self._clients.close()

    # What clients ask

    def _obey(self, client: Client, line: Line) -> None:
        op = line.get("op")
        if op == "hello":
            self._greet(client, line)
        elif not client.greeted:
            client.refuse("Say hello first.")
        else:
            self._carry_out(client, op, line)

    def _greet(self, client: Client, line: Line) -> None:
        if line.get("protocol") != PROTOCOL:
            asked = line.get("protocol")
            client.refuse(f"This host speaks protocol {PROTOCOL}, not {asked!r}: wait until its bots have ended.")
            return
        client.greeted = True
        runs = [record.to_line() for record in self._records.runs.values()]
        exits = [exit.to_line() for exit in self._records.exits.values()]
        welcome = {"protocol": PROTOCOL, "fingerprint": self._fingerprint, "pid": os.getpid()}
        client.send("welcome", **welcome, runs=runs, exits=exits)

    def _carry_out(self, client: Client, op: object, line: Line) -> None:
        match op:
            case "spawn":
                self._queue(client, line)
            case "signal":
                signum = signal.Signals(line["signal"])
                if record := self._find(line):
                    self._custody.send(record, signum)
                elif signum in (signal.SIGTERM, signal.SIGKILL):
                    self._withdraw(line)
            case "kill":
                if record := self._find(line):
                    self._custody.kill(record)
                else:
                    self._withdraw(line)
            case "forget":
                self._records.forget(_key(line))
            case "sample":
                self._sample_for(client, bool(line["on"]))
            case "retire":
                self._retiring = True
                self._may_end()
            case _:
                client.refuse(f"This host knows no {op!r}.")

    def _find(self, line: Line) -> RunRecord | None:
        """The run meant, or None when it has ended."""
        key = _key(line)
        record = self._records.runs.get(key[0])
        return record if record is not None and record.key == key else None

    # Spawn: one a turn, so that many do not keep the loop from everything else

    def _queue(self, client: Client, line: Line) -> None:
        try:
            request = Request.from_line(line)
        except SpawnFailed as error:
            self._fail(client, (line.get("bot_id"), line.get("run")), str(error))
            return
        if request.key in self._requests:
            self._fail(client, request.key, f"Run {request.run} of {request.bot_id} is being started already.")
            return
        self._requests[request.key] = client, request
        if len(self._requests) == 1:
            self._loop.later(0, self._spawn_next)

    def _spawn_next(self) -> None:
        if not self._requests:
            return
        client, request = self._requests.pop(next(iter(self._requests)))
        try:
            if self._retiring:
                raise SpawnFailed("This host retires: ask a new one.")
            record = self._spawner.spawn(request)
        except SpawnFailed as error:
            self._fail(client, request.key, str(error))
        else:
            self._custody.take(record)
            about = {"bot_id": record.bot_id, "run": record.run, "pid": record.pid}
            self._clients.tell("spawned", **about, start_ticks=record.start_ticks, port=record.port)
        if self._requests:
            self._loop.later(0, self._spawn_next)
        self._may_end()

    def _withdraw(self, line: Line) -> None:
        """A run that has yet to start is to end: it never starts."""
        client, request = self._requests.pop(_key(line), (None, None))
        if client and request:
            self._fail(client, request.key, "It was ended before it started.")

    def _fail(self, client: Client, key: tuple[object, object], error: str) -> None:
        client.send("spawn_failed", bot_id=key[0], run=key[1], error=error)

    def _sockets(self) -> Iterable[socket.socket]:
        return (*self._loop.sockets, *self._clients.sockets)

    def _announce(self, exit: Exit) -> None:
        self._clients.tell("exited", **exit.to_line())

    # Samples

    def _sample_for(self, client: Client, on: bool) -> None:
        client.sampling = on
        if on and not self._sampling:
            self._sampling = True
            self._sampler.forget()
            self._look()
            self._loop.later(SAMPLE_PERIOD_S, self._sample)

    def _sample(self) -> None:
        audience = [client for client in self._clients if client.sampling]
        self._sampling = bool(audience)
        if audience:
            bots = self._look()
            for client in audience:
                client.send("samples", at=time.time(), bots=bots)
            self._loop.later(SAMPLE_PERIOD_S, self._sample)

    def _look(self) -> dict[str, list[float]]:
        try:
            tree = by_parent()
        except OSError:  # out of descriptors
            return {}
        lives = {bot_id: (record.pid, record.start_ticks) for bot_id, record in self._records.runs.items()}
        return self._sampler.take(tree, lives, time.monotonic())

    # The end

    def _may_end(self) -> None:
        """Called whenever a need may have gone: ends at once when retiring, else when none comes back in time."""
        self._needed_at = time.monotonic()
        if self._retiring and not self._has_work():
            self._loop.end()
        elif not self._is_needed():
            self._loop.later(UNNEEDED_S, self._end_unless_needed)

    def _end_unless_needed(self) -> None:
        if not self._is_needed() and time.monotonic() - self._needed_at >= UNNEEDED_S:
            self._loop.end()

    def _is_needed(self) -> bool:
        return bool(self._clients) or self._has_work()

    def _has_work(self) -> bool:
        return bool(self._custody or self._requests)


def _key(line: Line) -> Key:
    """The run a line is about; raises KeyError or ValueError where it names none."""
    bot_id, run = line["bot_id"], line["run"]
    if not isinstance(bot_id, str) or not isinstance(run, int):
        raise ValueError("bot_id or run has the wrong type")
    return bot_id, run
