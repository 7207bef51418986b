"""The hive seen from another process: requests over `.deia/run/hive.sock`, errors as sentences."""

import contextlib
import http.client
import json
import os
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from deia_tui.core.errors import CommandRejected, DeiaError, NoSupervisor
from deia_tui.folder import Folder, socket_path
from deia_tui.identity import Identity
from deia_tui.inside import bearer

_CONNECT_S = 5.0
_RUN_RECORD = re.compile(r"[\w-]+\.\d+\.json", re.ASCII)


class RemoteHive:
    """`patience_s` bounds the wait for every answer; without it the hive takes as long as it needs."""

    def __init__(self, folder: Folder, *, patience_s: float | None = None) -> None:
        self._folder = folder
        self._patience_s = patience_s

    def get(self, route: str, **query: Any) -> Any:
        with self._ask("GET", _with_query(route, query)) as response:
            return json.loads(response.read())

    def post(self, route: str, body: dict[str, Any] | None = None) -> Any:
        """A graceful stop takes up to 10 s, a drain longer."""
        with self._ask("POST", quote(route), body) as response:
            return json.loads(response.read())

    def patch(self, route: str, body: dict[str, Any]) -> Any:
        with self._ask("PATCH", quote(route), body) as response:
            return json.loads(response.read())

    def shut_down(self, *, leave_bots: bool, reason: str) -> int:
        """End the supervisor; returns its pid at once, it ends later."""
        body = {"leave_bots": leave_bots}
        try:
            answer = self.post("/api/shutdown", {**body, "reason": reason})
        except CommandRejected as refusal:
            if refusal.status != 422:
                raise
            answer = self.post("/api/shutdown", body)  # that of version 0.1 knows no reason
        return int(answer["pid"])

    def stream(self, route: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The JSON objects of a route that answers with one a line."""
        with self._ask("GET", _with_query(route, query)) as response:
            for line in response:
                yield json.loads(line)

    @contextlib.contextmanager
    def _ask(self, method: str, route: str, body: dict[str, Any] | None = None) -> Iterator[http.client.HTTPResponse]:
        """The answer, unless it is a refusal. Raises CommandRejected, NoSupervisor or DeiaError."""
        line = _UnixLine(self._folder, self._patience_s)
        try:
            content = b"" if body is None else json.dumps(body).encode()
            line.request(method, route, content, {"Content-Type": "application/json", **bearer(self._folder)})
            response = line.getresponse()
            if response.status >= 400:
                retry_after_s = _retry_after_s(response)
                raise CommandRejected(_detail(response), status=response.status, retry_after_s=retry_after_s)
            yield response
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisor(f"No supervisor runs on the hive {self._folder.root}{_and_bots(self._folder)}") from None
        except TimeoutError:
            raise DeiaError("The supervisor does not answer: 'deia-tui --take-over' replaces it.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeiaError(f"The supervisor went away in the middle of the answer ({error}).") from error
        finally:
            line.close()


class _UnixLine(http.client.HTTPConnection):
    def __init__(self, folder: Folder, patience_s: float | None) -> None:
        super().__init__("hive")
        self._folder = folder
        self._patience_s = patience_s

    def connect(self) -> None:
        path, directory = socket_path(self._folder.run, "hive.sock")
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(_CONNECT_S)
            self.sock.connect(path)
            self.sock.settimeout(self._patience_s)
        finally:
            os.close(directory)


def _with_query(route: str, query: dict[str, Any]) -> str:
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    return f"{quote(route)}?{urlencode(given, doseq=True)}"


def _detail(response: http.client.HTTPResponse) -> str:
    """The sentence of a refusal."""
    text = response.read().decode("utf-8", "replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["detail"])
    return text or response.reason


def _retry_after_s(response: http.client.HTTPResponse) -> float | None:
    """When to come back, where the hive says so."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def bots_alive(folder: Folder) -> int:
    """How many bots of a hive live, supervised or not."""
    count = 0
    for path in folder.runs.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # it ends just now, or is none of ours
            record = json.loads(path.read_bytes()) if _RUN_RECORD.fullmatch(path.name) else None
            count += record is not None and Identity(record["pid"], record["start_ticks"], record["boot_id"]).lives()
    return count


def _and_bots(folder: Folder) -> str:
    if not folder.deia.is_dir():
        return ", where no hive is yet: 'deia-tui' or 'deia-tui serve' makes one."
    count = bots_alive(folder)
    if count:
        return f", but {count} of its bots run on: 'deia-tui' or 'deia-tui serve' takes them over."
    return ": start one with 'deia-tui' or 'deia-tui serve'."
