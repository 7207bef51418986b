"""The host: owns bot processes of a hive on this machine, and tells whoever is connected what becomes of them."""

import signal
import socket
import time
from collections.abc import Iterable

from deia_tui.folder import Folder
from deia_tui.host.clients import Client, Clients
from deia_tui.host.custody import Custody
from deia_tui.host.looks import Looks
from deia_tui.host.newborn import Child
from deia_tui.host.presence import Presence
from deia_tui.host.records import Exit, Key, Records, RunRecord
from deia_tui.host.restoring import Restoring
from deia_tui.host.spawn import Request, Spawner, SpawnFailed
from deia_tui.host.succession import Succession
from deia_tui.host.wire import PROTOCOL, Line

UNNEEDED_S = 5.0


class Host:
    """Serves on `listener` from `serve` until nobody needs it; `nofile` are the limits its bots get."""

    def __init__(
        self, folder: Folder, child: Child, presence: Presence, listener: socket.socket, nofile: tuple[int, int]
    ) -> None:
        me = presence.me.identity
        self._presence = presence
        self._records = Records(folder, me)
        self._custody = Custody(self._records, on_exit=self._announce, on_rest=self._may_end)
        self._loop = self._custody.loop
        self._clients = Clients(self._loop, listener, obey=self._obey, left=self._may_end)
        self._looks = Looks(self._records, self._custody, self._clients)
        self._succession = Succession(
            folder,
            self._records,
            self._custody,
            on_adopted=self._announce_adopted,
            on_exit=self._announce,
        )
        self._spawner = Spawner(
            folder, child, self._records, code=presence.me.fingerprint, inherited=self._sockets, nofile=nofile
        )
        self._requests: dict[Key, tuple[Client, Request]] = {}
        self._restoring = Restoring(
            self._loop,
            folder,
            presence,
            is_needed=self._has_work,
            listen=self._clients.listen,
            save=self._records.restore,
        )
        self._needed_at = 0.0

    def serve(self) -> None:
        self._records.remove_halves()
        self._restoring.begin()
        self._succession.look()
        self._looks.begin(0)
        self._may_end()
        self._loop.run()
        self._presence.leave()
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
        if line.get("home"):
            self._succession.renounced = False
            if not self._succession.look():
                client.close()  # it will ask again; half of the truth would have bots started twice
                return
        runs = [record.to_line() for record in self._records.runs.values()]
        exits = [exit.to_line() for exit in self._records.exits.values()]
        me = self._presence.me
        about = {"protocol": PROTOCOL, "fingerprint": me.fingerprint, "pid": me.pid, "others": self._succession.others}
        client.send("welcome", **about, runs=runs, exits=exits)

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
                self._looks.sample_for(client, bool(line["on"]))
            case "retire":
                self._succession.renounced = True
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
            if self._succession.renounced:
                raise SpawnFailed("This host retires: ask a new one.")
            record = self._spawner.spawn(request)
        except SpawnFailed as error:
            self._fail(client, request.key, str(error))
        else:
            self._custody.take(record)
            self._looks.begin()
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

    def _announce_adopted(self, record: RunRecord) -> None:
        self._clients.tell("adopted", **record.to_line())
        self._looks.begin(0)

    # The end

    def _may_end(self) -> None:
        """Called whenever a need may have gone: ends at once when retiring, else when none comes back in time."""
        self._needed_at = time.monotonic()
        if self._succession.renounced and not self._has_work():
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
