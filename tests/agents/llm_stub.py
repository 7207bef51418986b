"""A hosted API of language models on loopback: what agent programs talk to where there is no internet and no key.

`POST /v1/messages` (Anthropic), `/v1/chat/completions` and `/v1/responses` (OpenAI), streamed or not; `GET /asked` is
what was asked. Markers in the prompt choose the answer (llm_answers.py).
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .llm_answers import Answers
from .llm_dialects import DIALECTS, Dialect, Plan


@dataclass
class Stub:
    """`asked` is every request so far: its path, the newest text of the user, the number of texts and what was done."""

    port: int = 0
    answers: Answers = field(default_factory=Answers)
    asked: list[dict[str, Any]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def do_HEAD(self) -> None:
        self._whole(200, None)

    def do_GET(self) -> None:
        models = [{"id": "stub-1", "type": "model", "object": "model", "display_name": "stub-1"}]
        found: dict[str, Any] = {"object": "list", "has_more": False, "data": models, "models": []}
        if self.path == "/asked":
            found = {"asked": self.stub.asked}
        self._whole(200, found)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._whole(200, {"input_tokens": len(json.dumps(body)) // 4})
        elif dialect := DIALECTS.get(path):
            self._answer(dialect, body)
        else:
            self._whole(404, {"error": {"type": "not_found_error", "message": path}})

    def _answer(self, dialect: type[Dialect], body: dict[str, Any]) -> None:
        asked = dialect.read(body)
        plan = self.stub.answers.plan(asked)
        self.stub.asked.append(
            {"at": time.time(), "path": self.path, "text": asked.text, "turns": asked.turns, "did": plan.kind}
        )
        if plan.kind == "fail":
            return self._whole(plan.status, dialect.error(plan.status))
        if plan.kind == "hang":
            return self._never()
        reply = dialect(asked, plan)
        if not asked.stream:
            return self._drop() if plan.kind in ("stall", "cut") else self._whole(200, reply.whole())
        try:
            return self._stream(reply, plan)
        except (BrokenPipeError, ConnectionResetError):
            self.stub.asked.append({"at": time.time(), "left": asked.text})
            self.close_connection = True

    def _stream(self, reply: Dialect, plan: Plan) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in reply.opening():
            self._send(event)
        for word in plan.words:
            self._send(reply.delta(word))
            self.stub.ending.wait(plan.pause_s)
        match plan.kind:
            case "stall":
                self._never()
            case "cut":
                self._drop()
            case _:
                for event in reply.closing():
                    self._send(event)
                self.wfile.write(b"0\r\n\r\n")

    def _send(self, event: dict[str, Any] | str) -> None:
        name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
        data = f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _whole(self, status: int, body: dict[str, Any] | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _never(self) -> None:
        self.stub.ending.wait()
        self.close_connection = True

    def _drop(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """`asked` is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what some of these answers are for."""


@contextmanager
def llm_stub(port: int = 0) -> Iterator[Stub]:
    """Serves until left; a port is chosen if none is given."""
    stub = Stub()
    with _Server(("127.0.0.1", port), type("Exchange", (_Exchange,), {"stub": stub})) as server:
        stub.port = server.server_port
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield stub
        finally:
            stub.ending.set()
            server.shutdown()
            serving.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8399)
    with llm_stub(parser.parse_args().port) as stub:
        print(f"Answering at {stub.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
