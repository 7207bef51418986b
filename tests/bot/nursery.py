"""Forks warm bots for the tests as a host does: the smallest parent a bot can have, without records and supervisor.

One request a line on stdin, one answer a line on stdout, both JSON.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from deia_tui.bot.children import Children, adopt_orphans
from deia_tui.bot.process import prepare, run, warm
from deia_tui.bot.seed import Seed
from deia_tui.core.bots import spec_from_json
from deia_tui.folder import Folder

Reply = dict[str, Any]


class Nursery:
    def __init__(self) -> None:
        self._codes: dict[int, int | None] = {}

    def spawn(self, seed: dict[str, Any], modules: str) -> Reply:
        """Start a bot; once it ended by itself, `modules` lists what it imported."""
        prepare(seed["spec"]["agent"]["kind"])
        folder = Folder(Path(seed["root"]))
        folder.create()
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        pid = os.fork()
        if pid == 0:
            _be_a_bot(seed, listener, folder, Path(modules))
        port = listener.getsockname()[1]
        listener.close()
        self._codes[pid] = None
        return {"pid": pid, "port": port}

    def wait(self, pid: int, timeout_s: float) -> Reply:
        """The exit status (negative for a signal), or null if the bot still runs."""
        deadline = time.monotonic() + timeout_s
        while self._codes[pid] is None and time.monotonic() < deadline:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._codes[pid] = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.0005)
        return {"code": self._codes[pid]}

    def end(self, pid: int) -> Reply:
        """SIGKILL the bot if it still runs, then whatever bots left behind."""
        if self._codes[pid] is None:
            os.kill(pid, signal.SIGKILL)
            self.wait(pid, 10.0)
        asyncio.run(Children().kill(spare=[bot for bot, code in self._codes.items() if code is None]))
        return {}

    def end_all(self) -> None:
        for pid in self._codes:
            self.end(pid)


def _be_a_bot(seed: dict[str, Any], listener: socket.socket, folder: Folder, modules: Path) -> None:
    output = os.open(folder.output_log(seed["bot_id"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd in (1, 2):
        os.dup2(output, fd)
    os.setsid()
    before = set(sys.modules)
    status = 1
    try:
        spec = spec_from_json(seed["spec"])
        status = run(Seed(**{**seed, "root": Path(seed["root"]), "spec": spec}), listener)
        modules.write_text(json.dumps(sorted(set(sys.modules) - before)))
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    warm()
    gc.collect()
    gc.freeze()
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nursery = Nursery()
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"spawn": nursery.spawn, "wait": nursery.wait, "end": nursery.end}[request.pop("op")]
        print(json.dumps(answer(**request)), flush=True)
    nursery.end_all()


if __name__ == "__main__":
    main()
