"""The engine for this machine: talks to every host that lives in the hive, and starts one of the code on disk.

New runs go to that one, home. Hosts of other versions keep the bots they have, and end with the last of them. Orders
about a run go to all hosts: one that does not have it does nothing.
"""

import asyncio
import resource
from collections.abc import Callable, Iterator
from typing import Any

from deia_tui.core.bots import BotSpec, ExitRecord, spec_from_json, spec_to_json
from deia_tui.core.errors import ConfigError
from deia_tui.engine.link import HostLink, Run, connect
from deia_tui.engine.protocol import Ended, EngineEvent, NodeFound, NodeLost, NotPlaced, Placed, Placement, Sampled
from deia_tui.engine.starter import Starter
from deia_tui.folder import Folder
from deia_tui.host import wire
from deia_tui.host.nofile import raise_nofile
from deia_tui.host.presence import Introduction, living_hosts

START_TIMEOUT_S = 30.0
POLL_S = 0.01
RETRY_S = 5.0


class LocalEngine:
    def __init__(self, folder: Folder, *, ports: tuple[int, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._starter = Starter(folder, resource.getrlimit(resource.RLIMIT_NOFILE))
        self._links: dict[int, HostLink] = {}
        self._home: HostLink | None = None
        self._lost: asyncio.Queue[tuple[HostLink, str]] = asyncio.Queue()
        self._tending: asyncio.Task[None] | None = None
        self._listen: Callable[[EngineEvent], None] = _ignore
        self._placing: set[Run] = set()
        self._complete = False

    async def open(self, listen: Callable[[EngineEvent], None]) -> NodeFound:
        self._listen = listen
        raise_nofile()  # each bot costs the supervisor a connection or two
        found = await self._gather()
        self._tending = asyncio.create_task(self._tend(), name="hosts")
        return found

    def place(self, placement: Placement) -> None:
        if self._home is None:
            return  # the next NodeFound tells that there is no such run
        self._placing.add((placement.spec.bot_id, placement.run))
        self._home.send(
            "spawn",
            bot_id=placement.spec.bot_id,
            run=placement.run,
            nonce=placement.nonce,
            token=placement.token,
            spec=spec_to_json(placement.spec),
            env=placement.env,
            session=placement.session,
            grants=placement.grants,
            folder=placement.folder,
            ports=list(self._ports),
        )

    def signal(self, bot_id: str, run: int, signum: int) -> None:
        self._tell_all("signal", bot_id=bot_id, run=run, signal=int(signum))

    def kill(self, bot_id: str, run: int) -> None:
        self._tell_all("kill", bot_id=bot_id, run=run)

    def forget(self, bot_id: str, run: int) -> None:
        for link in self._links.values():
            link.exits.pop((bot_id, run), None)
        self._tell_all("forget", bot_id=bot_id, run=run)

    def is_lost(self, bot_id: str, run: int) -> bool:
        key = (bot_id, run)
        known = key in self._placing or any(key in link.runs or key in link.exits for link in self._links.values())
        return self._complete and not known

    async def close(self, *, retire: bool) -> None:
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        if retire:
            self._tell_all("retire")
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._links.clear()
        self._home = None

    def _tell_all(self, op: str, **fields: Any) -> None:
        """What no host hears is lost: the next NodeFound tells what became of the runs."""
        for link in self._links.values():
            link.send(op, **fields)

    # Finding hosts

    async def _gather(self) -> NodeFound:
        """Connected to every host that lives here, one of them home. Raises ConfigError when one does not answer."""
        code = wire.fingerprint()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._is_complete(code):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ConfigError(self._who_is_silent()) from None
        except OSError as error:
            raise ConfigError(f"The host process of this hive is out of reach: {error.strerror or error}.") from error
        for link in self._links.values():
            if link is not self._home:
                link.send("retire")
        return self._found()

    async def _is_complete(self, code: str) -> bool:
        hosts = living_hosts(self._folder)
        for host in hosts:
            if host.pid not in self._links:
                await self._reach(host)
        if self._home is None:
            self._home = next((link for link in self._links.values() if self._can_be_home(link, code)), None)
        if self._starter.has_failed():
            raise ConfigError(f"The host process did not start: read {self._starter.log} for the reason.")
        if self._home is None:
            self._starter.start()
            return False
        if not self._links.keys() >= {host.pid for host in hosts}:
            return False
        welcome = await self._home.greet(home=True)  # last: now it has taken over what hosts that are gone have left
        return welcome is not None and self._links.keys() >= set(welcome.get("others", ()))

    def _can_be_home(self, link: HostLink, code: str) -> bool:
        """It runs the `code` that is on disk, or did when we started it: the program may be upgraded under us."""
        return link.fingerprint == code or self._starter.has_started(link.pid)

    async def _reach(self, host: Introduction) -> None:
        link = await connect(self._folder, host, hear=self._hear, lost=self._note_loss)
        if link is None:
            return
        try:
            welcome = await link.greet(home=False)
        except BaseException:
            await link.close()
            raise
        if welcome is not None:
            self._links[link.pid] = link
            link.send("sample", on=True)

    def _who_is_silent(self) -> str:
        silent = [host.pid for host in living_hosts(self._folder) if self._links.get(host.pid) in (None, self._home)]
        if not silent:
            return f"The host process does not answer: read {self._starter.log} for the reason."
        pids = " or ".join(map(str, silent))
        return f"The host process {pids} does not answer: end it with kill -9, which leaves its bots alive."

    def _found(self) -> NodeFound:
        assert self._home is not None
        self._complete = True
        runs = {run: _placed(line) for link in self._links.values() for run, line in link.runs.items()}
        ended = {run: _ended(line) for link in self._links.values() for run, line in link.exits.items()}
        return NodeFound(pid=self._home.pid, runs=list(runs.values()), ended=list(ended.values()))

    # Losing them

    def _note_loss(self, link: HostLink, reason: str) -> None:
        if self._links.get(link.pid) is not link:
            return
        del self._links[link.pid]
        if link is self._home:
            self._home = None
            self._placing.clear()
        if link.runs or self._home is None:
            self._complete = False
        self._lost.put_nowait((link, reason))

    async def _tend(self) -> None:
        """For ever: when a host is gone another one takes over its runs; a retired one without runs is not missed."""
        while True:
            link, reason = await self._lost.get()
            if link.runs or self._home is None:
                self._listen(NodeLost(link.pid, reason))
                self._listen(await self._gather_again(link.pid))

    async def _gather_again(self, lost: int) -> NodeFound:
        while True:
            try:
                return await self._gather()
            except ConfigError as error:
                self._listen(NodeLost(lost, str(error)))
                await asyncio.sleep(RETRY_S)

    # What hosts say

    def _hear(self, link: HostLink, line: wire.Line) -> None:
        for event in self._events(link, line):
            self._listen(event)

    def _events(self, link: HostLink, line: wire.Line) -> Iterator[EngineEvent]:
        match line["op"]:
            case "spawned" | "adopted":
                yield _placed(line)
            case "spawn_failed":
                yield NotPlaced(line["bot_id"], line["run"], line["error"])
            case "exited":
                yield _ended(line)
            case "samples":
                link.samples = {bot_id: tuple(row) for bot_id, row in line["bots"].items()}
                if link is self._home:  # the others' are a second old at most
                    links = self._links.values()
                    yield Sampled(line["at"], {bot: row for link in links for bot, row in link.samples.items()})
        if line["op"] in ("spawned", "spawn_failed", "exited"):
            self._placing.discard((line["bot_id"], line["run"]))


def _placed(line: wire.Line) -> Placed:
    fields = ("bot_id", "run", "pid", "start_ticks", "port")
    secrets = {name: line.get(name, "") for name in ("nonce", "token")}
    return Placed(**{field: line[field] for field in fields}, **secrets, spec=_spec(line))


def _spec(line: wire.Line) -> BotSpec | None:
    """None where another version wrote what this one cannot read."""
    try:
        return spec_from_json(line["spec"])
    except (KeyError, TypeError, ValueError):
        return None


def _ended(line: wire.Line) -> Ended:
    exit = ExitRecord(at=line["at"], code=line["code"], signal=line["signal"], reason=line.get("reason", ""))
    return Ended(line["bot_id"], line["run"], exit, tuple(line.get("stderr_tail", ())))


def _ignore(event: EngineEvent) -> None:
    """Nobody listens before `open`."""
