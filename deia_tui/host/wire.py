"""What a supervisor and a host say to each other on `.deia/run/host-PID.sock`: one JSON object a line.

Supervisor to host:

| op       | fields                                                            | meaning |
|----------|-------------------------------------------------------------------|---------|
| hello    | protocol, home                                                    | first line of a connection; may be said again: with `home` all new runs come here, and those of dead hosts are taken over before the answer |
| spawn    | bot_id, run, nonce, token, spec, env, session, grants, folder, ports [first, last] | start a run; `spec` is BotSpec as JSON |
| signal   | bot_id, run, signal                                               | send a signal number to the bot itself; SIGCONT follows SIGTERM |
| kill     | bot_id, run                                                       | SIGKILL to its whole tree |
| forget   | bot_id, run                                                       | the exit is committed: drop its record |
| sample   | on                                                                | start or stop one `samples` a second |
| retire   | –                                                                 | end as soon as no bot is left, take over none; until a hello with `home` |

Host to supervisor:

| op           | fields                                                        | meaning |
|--------------|---------------------------------------------------------------|---------|
| welcome      | protocol, fingerprint, pid, runs [run record, …], exits [exited, …], others [pid, …] | answer to hello; `others` are living hosts with runs of their own |
| refused      | error                                                         | the hello did not fit; the connection ends |
| spawned      | bot_id, run, pid, start_ticks, port                           | it exists and its port listens |
| spawn_failed | bot_id, run, error                                            | one sentence |
| adopted      | run record                                                    | a run of a host that died is this one's now |
| exited       | bot_id, run, at, code, signal, stderr_tail [line, …], reason, nonce | repeated at each hello until forgotten; `reason` is `oom` or "" |
| samples      | at, bots {id: [cpu_percent, memory_mb, processes, threads]}   | sums over each bot's process tree |

A *run record* is {bot_id, run, nonce, token, pid, start_ticks, boot_id, port, started_at, spec, output_from, host_pid,
host_ticks}; the host that has the run keeps it as `.deia/run/bots/ID.RUN.json` as long as the run lives, and `ID.RUN.exit.json`,
an *exited*, until it is forgotten. `output_from` is how long the bot's output log was before it. `spawned`, `adopted`,
`exited` and `welcome` agree for everybody who said hello; `spawn_failed` goes to who asked, also when a `kill` (or SIGTERM)
overtakes the start: then there is no run and no `exited`. About a run it does not have, a host does nothing.

Hosts of several versions live in one hive: one, of the code that is on disk, is home to new runs, all others are told to
retire. So that they and supervisors of any version understand each other, this is frozen, for PROTOCOL 1: how lines are
made; every line and field above; names and fields of the two files above and of the introduction (presence.py); the brand
(brand.py). Fields may be added, and whoever reads passes over those it does not know; so does a supervisor with a line of
another op. A new op goes to home only. Whatever breaks that needs another PROTOCOL, and that every host is made to end first.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

PROTOCOL = 1
MAX_LINE = 32 * 1024 * 1024
"""A welcome tells of every run and every exit nobody has committed: 999 of them, with 4 KB of stderr, binary at worst."""

Line = dict[str, Any]


class Lines:
    """Cuts a byte stream into lines; `feed` returns the objects that became complete."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Line]:
        """Raises ValueError for a line that is no JSON object or longer than MAX_LINE."""
        self._rest += data
        if len(self._rest) > MAX_LINE:
            raise ValueError("line too long")
        if b"\n" not in data:
            return []
        *lines, self._rest = self._rest.split(b"\n")
        found = [json.loads(line) for line in lines if line]
        if not all(isinstance(line, dict) for line in found):
            raise ValueError("not a JSON object")
        return found


def encode(op: str, **fields: Any) -> bytes:
    return json.dumps({"op": op, **fields}, separators=(",", ":")).encode() + b"\n"


def fingerprint() -> str:
    """Identifies the code on disk, from which a host that is started now forks its bots."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(
        [*root.glob("bot/**/*.py"), *root.glob("host/*.py"), *root.glob("core/*.py"), *root.glob("*.py")]
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
