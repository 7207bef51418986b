"""The hive seen from another process: requests over `.deia/run/hive.sock`, errors as sentences."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from deia_tui.core.errors import CommandRejected, DeiaError, NoSupervisor
from deia_tui.folder import Folder, socket_path


class RemoteHive:
    """`patience_s` bounds the wait for every answer; without it the hive takes as long as it needs."""

    def __init__(self, folder: Folder, *, patience_s: float | None = None) -> None:
        self._folder = folder
        self._patience_s = patience_s

    def get(self, route: str, **query: Any) -> Any:
        with self._client() as client:
            return _answer(client.get(route, params=query))

    def post(self, route: str, body: dict[str, Any] | None = None) -> Any:
        """A graceful stop takes up to 10 s, a drain longer."""
        with self._client() as client:
            return _answer(client.post(route, json=body))

    def stream(self, route: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The JSON objects of a route that answers with one a line."""
        with self._client() as client, client.stream("GET", route, params=query) as response:
            if response.is_error:
                response.read()
                _answer(response)
            for line in response.iter_lines():
                if line:
                    yield json.loads(line)

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        try:
            path, fd = socket_path(self._folder.run, "hive.sock")
        except FileNotFoundError:
            raise self._nobody() from None
        try:
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=path),
                base_url="http://hive",
                timeout=httpx.Timeout(self._patience_s, connect=5.0),
            ) as client:
                yield client
        except httpx.ConnectError:
            raise self._nobody() from None
        except httpx.HTTPError as error:
            raise DeiaError(f"The supervisor went away in the middle of the answer ({error}).") from error
        finally:
            os.close(fd)

    def _nobody(self) -> NoSupervisor:
        return NoSupervisor(
            f"No supervisor runs on the hive {self._folder.root}: start one with 'deia-tui' or 'deia-tui serve'."
        )


def _answer(response: httpx.Response) -> Any:
    if not response.is_error:
        return response.json()
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text or response.reason_phrase
    if isinstance(detail, list):
        detail = "; ".join(f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in detail)
    raise CommandRejected(str(detail), status=response.status_code)
