"""Starts a run: everything that can fail fails here, before the fork, in one sentence."""

import errno
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from deia_tui.bot.seed import Seed
from deia_tui.core.bots import BotSpec, spec_from_json, spec_to_json
from deia_tui.core.errors import ConfigError
from deia_tui.core.ids import is_bot_id
from deia_tui.folder import Folder
from deia_tui.host import newborn
from deia_tui.host.newborn import Birth, Child
from deia_tui.host.ports import Ports
from deia_tui.host.records import Key, Records, RunRecord
from deia_tui.host.titles import NONCE_LENGTH
from deia_tui.host.wire import Line, fingerprint
from deia_tui.identity import identify

_ALL_SIGNALS = signal.valid_signals()
_NONCE = re.compile(rf"[A-Za-z0-9_-]{{8,{NONCE_LENGTH}}}", re.ASCII)


class SpawnFailed(Exception):
    """One sentence that says why there is no process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A `spawn` line, checked."""

    bot_id: str
    run: int
    nonce: str
    token: str
    spec: BotSpec
    env: dict[str, str]
    session: str
    grants: tuple[str, ...]
    folder: str
    ports: tuple[int, int]

    @property
    def key(self) -> Key:
        return self.bot_id, self.run

    @classmethod
    def from_line(cls, line: Line) -> "Request":
        """Raises SpawnFailed for a line that cannot be carried out."""
        try:
            first, last = line["ports"]
            request = cls(
                bot_id=line["bot_id"],
                run=line["run"],
                nonce=line["nonce"],
                token=line["token"],
                spec=spec_from_json(line["spec"]),
                env=dict(line["env"]),
                session=line.get("session", ""),
                grants=tuple(line.get("grants", ())),
                folder=line.get("folder", ""),
                ports=(first, last),
            )
            sound = _is_sound(request)
        except (KeyError, TypeError, ValueError) as error:
            raise SpawnFailed(f"This is no spawn request ({type(error).__name__}: {error}).") from error
        if not sound:
            raise SpawnFailed("This is no spawn request: bot_id, run, nonce, env or ports are out of bounds.")
        return request


def _is_sound(request: Request) -> bool:
    first, last = request.ports
    texts = chain(*request.env.items(), request.grants, (request.session, request.folder))
    strings = all(isinstance(text, str) for text in texts)
    return (
        is_bot_id(request.bot_id)
        and type(request.run) is int
        and request.run > 0
        and _NONCE.fullmatch(request.nonce) is not None
        and isinstance(request.token, str)
        and strings
        and type(first) is type(last) is int
        and 0 < first <= last < 65536
    )


class Spawner:
    """Forks bots. `code` is the fingerprint of what this host runs, `inherited` are the sockets a child must not keep,
    `nofile` the limits it gets."""

    def __init__(
        self,
        folder: Folder,
        child: Child,
        records: Records,
        *,
        code: str,
        inherited: Callable[[], Iterable[socket.socket]],
        nofile: tuple[int, int],
    ) -> None:
        self._folder = folder
        self._child = child
        self._prepared = set(child.prepared)
        self._code = code
        self._records = records
        self._inherited = inherited
        self._nofile = nofile
        self._ports = Ports()

    def spawn(self, request: Request) -> RunRecord:
        """Start the run and put it on record; raises SpawnFailed, leaving nothing behind."""
        living = self._records.runs.get(request.bot_id)
        if living is not None:
            raise SpawnFailed(f"{request.bot_id} runs already, with pid {living.pid}.")
        if request.key in self._records.exits:
            raise SpawnFailed(f"Run {request.run} of {request.bot_id} has ended already.")
        self._prepare(request.spec.agent.kind)
        try:
            with self._ports.listen(*request.ports) as listener, self._output(request.bot_id) as output:
                return self._fork(request, listener, output)
        except OSError as error:
            raise SpawnFailed(_sentence(request.bot_id, error)) from error

    def _prepare(self, kind: str) -> None:
        """Nothing is imported that belongs to another version than what was imported before."""
        if kind in self._prepared:
            return
        if fingerprint() != self._code:
            raise SpawnFailed(
                f"deia-tui was upgraded while it ran: start the supervisor anew to run agents of kind '{kind}'."
            )
        try:
            self._child.prepare(kind)
        except ConfigError as error:
            raise SpawnFailed(str(error)) from error
        self._prepared.add(kind)

    def _fork(self, request: Request, listener: socket.socket, output: int) -> RunRecord:
        output_from = os.fstat(output).st_size
        gate, opener = os.pipe()
        try:
            pid = self._fork_child(request, listener, output, gate)
            record = _record(request, pid, port=listener.getsockname()[1], output_from=output_from)
            record = self._records.begin(record)
            os.write(opener, b"!")  # without it the child ends at once: no bot runs that is not on record
            return record
        finally:
            os.close(gate)
            os.close(opener)

    def _fork_child(self, request: Request, listener: socket.socket, output: int, gate: int) -> int:
        birth = Birth(
            seed=_seed(self._folder, request),
            child=self._child,
            listener=listener,
            output=output,
            gate=gate,
            inherited=self._inherited(),
            nofile=self._nofile,
        )
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                newborn.live(birth)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @contextmanager
    def _output(self, bot_id: str) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._folder.output_log(bot_id), flags, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)


def _seed(folder: Folder, request: Request) -> Seed:
    return Seed(
        root=folder.root,
        bot_id=request.bot_id,
        run=request.run,
        nonce=request.nonce,
        token=request.token,
        spec=request.spec,
        env=request.env,
        session=request.session,
        grants=request.grants,
        folder=request.folder,
    )


def _record(request: Request, pid: int, *, port: int, output_from: int) -> RunRecord:
    identity = identify(pid)
    assert identity is not None, "our own child, which nobody has reaped"
    return RunRecord(
        bot_id=request.bot_id,
        run=request.run,
        nonce=request.nonce,
        token=request.token,
        pid=pid,
        start_ticks=identity.start_ticks,
        boot_id=identity.boot_id,
        port=port,
        started_at=time.time(),
        spec=spec_to_json(request.spec),
        output_from=output_from,
    )


def _sentence(bot_id: str, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{bot_id} cannot start: {error.strerror}; stop other bots or widen the range."
        case errno.EMFILE | errno.ENFILE:
            return f"{bot_id} cannot start: too many files are open here; stop other bots or raise `ulimit -n`."
        case errno.EAGAIN | errno.ENOMEM:
            return f"{bot_id} cannot start: this machine allows no more processes; stop other bots."
        case _:
            where = f" ({error.filename})" if error.filename else ""
            return f"{bot_id} cannot start: {error.strerror}{where}."
