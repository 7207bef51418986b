"""Ports that somebody else has: bots take others, trust no stranger, and say it when there are none left."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, gone, hit


class Stranger(ThreadingHTTPServer):
    """Says yes to everything, and remembers what it was asked."""

    asked: list[str]


class _Yes(BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.requestline} {dict(self.headers)}")
        body = b'{"status": "ok", "bot_id": "BOT-001", "run": 1, "activity": "idle"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def stranger(port: int) -> Iterator[Stranger]:
    """A foreign server on the port."""
    server = Stranger(("127.0.0.1", port), _Yes)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def taken(port: int) -> socket.socket:
    """Somebody listens there."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen(1)
    return listener


def free_range(count: int) -> range:
    """As many ports in a row that nobody listens on now, away from what other tests and the kernel give out."""
    random = Random()
    while True:
        first = random.randrange(20_000, 30_000)
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(taken(port))
        except OSError:
            continue
        return range(first, first + count)


def ports(found: range) -> str:
    return f"[process]\nfirst_port = {found[0]}\nlast_port = {found[-1]}\n"


@pytest.mark.fault(12)
def test_a_foreign_server_is_neither_displaced_nor_mistaken_for_a_bot(hive: FaultyHive) -> None:
    found = free_range(4)
    hive.configure(ports(found))
    with stranger(found[0]) as first:
        supervisor = hive.serve()
        hive.launch("shell", 1)
        port = hive.bot("BOT-001")["port"]
        assert port in found[1:]
        host, bot = hive.host(), hive.pids()["BOT-001"]
        hive.kill_nine(supervisor)
        hit(host)
        hit(bot)
        gone(host, bot)
        with stranger(port) as second:
            hive.serve()
            hive.until_running("BOT-001", run=2)
            assert hive.bot("BOT-001")["port"] in set(found) - {found[0], port}
            assert hive.turn(hive.send("BOT-001", "echo it is me"))["status"] == "answered"
            assert second.asked == [], "nobody trusts who sits on the port of a bot that has gone"
        assert first.asked == []
    assert hive.events("bot_adopted") == []


@pytest.mark.fault(13)
def test_when_ports_are_taken_the_rest_is_used_then_it_is_said(hive: FaultyHive, measured: Measured) -> None:
    found = free_range(6)
    hive.configure(ports(found))
    hive.serve()
    with ExitStack() as others:
        for port in found[::2]:
            others.enter_context(taken(port))
        bots = hive.launch("shell", 3)
        assert {hive.bot(bot_id)["port"] for bot_id in bots} == set(found[1::2])
        status, answer = hive.call("POST", "/api/bot/launch", {"what": "shell", "bot_id": "BOT-004"})
        assert status == 500
        assert f"all ports {found[0]}–{found[-1]} on 127.0.0.1 are taken" in answer["detail"]
        assert "widen the range" in answer["detail"]
        assert hive.bot("BOT-004")["state"] == "fatal"
        assert len(hive.events("bot_starting", bot_id="BOT-004")) == 1, "nobody tries again by himself"
        assert len(hive.alerts("fatal", "BOT-004")) == 1
        assert hive.turn(hive.send("BOT-001", "echo untouched"))["status"] == "answered"
    hive.ask("POST", "/api/bot/restart/BOT-004")
    assert hive.bot("BOT-004")["port"] in found[::2]
    measured(answer["detail"])
