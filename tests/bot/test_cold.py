"""The same bot started by itself, and what it says when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import deia_tui

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(deia_tui.__file__).parent.parent)}


def command(root: Path, *, bot_id: str = "BOT-001", port: int = 0) -> list[str]:
    return [sys.executable, "-m", "deia_tui.bot", "--hive", str(root), "--id", bot_id, "--port", str(port)]


def test_it_tells_where_and_how_to_call_it_and_ends_with_0(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        name, value = process.stdout.readline().strip().split(": ")
        with httpx.Client(base_url=url, headers={name: value}, timeout=30, trust_env=False, verify=False) as http:
            assert http.get("/status").json()["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("broken", ["port", "id", "folder"])
def test_what_is_wrong_is_one_sentence(tmp_path: Path, broken: str) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line, sentence = {
            "port": (command(tmp_path, port=taken.getsockname()[1]), "Address already in use"),
            "id": (command(tmp_path, bot_id="../x"), "cannot name a bot"),
            "folder": (command(tmp_path / "file"), "choose another folder"),
        }[broken]
        ended = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_a_socket_that_cannot_listen_is_one_sentence(tmp_path: Path) -> None:
    program = f"""
import socket, sys
from pathlib import Path
from deia_tui.bot.process import run
from deia_tui.bot.seed import Seed
from deia_tui.core.bots import AgentSpec, BotSpec
spec = BotSpec(bot_id="BOT-001", agent=AgentSpec(name="shell", kind="shell"))
listener = socket.socket()
listener.close()
sys.exit(run(Seed(root=Path({str(tmp_path)!r}), bot_id="BOT-001", run=1, nonce="", token="t", spec=spec), listener))
"""
    ended = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 78
    assert "BOT-001 cannot serve: [Errno 9] Bad file descriptor." in ended.stderr
