"""Who else is on the machine: other users, web pages that rebound a name, and logs that outlive a secret."""

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deia_tui.folder import Folder
from tests.faults.hive import FaultyHive, needs, needs_root

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
ROUTES = ("/health", "/status", "/openapi.json", "/nothing")
EVIL = "evil.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
# Made up, in the shape of real ones; one is cut in two by a pause, as a stream may do.
SECRETS = ("sk-ant-api03-Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5", "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5", "hunter2hunter2")
TALKATIVE = """
import sys, time
anthropic, github, password = {secrets!r}
print("the key is", anthropic, flush=True)
sys.stdout.write("and " + github[:20]); sys.stdout.flush(); time.sleep(0.2); print(github[20:], flush=True)
print("password=" + password, file=sys.stderr, flush=True)
print("Authorization: Bearer " + anthropic, file=sys.stderr, flush=True)
print("nothing more", flush=True)
"""


def as_nobody(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*NOBODY, *argv], capture_output=True, text=True, cwd="/", timeout=60, check=False)


def ask(port: int, route: str, **headers: str) -> tuple[int, str]:
    """What a bot's service answers."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        line.putrequest("GET", route, skip_host=True)
        for name, value in headers.items():
            line.putheader(name.replace("_", "-"), value)
        line.endheaders()
        answer = line.getresponse()
        return answer.status, "" if answer.status == 101 else answer.read().decode()
    finally:
        line.close()


def run_of(hive: FaultyHive, bot_id: str) -> dict[str, Any]:
    return next(run for run in hive.runs() if run["bot_id"] == bot_id)


@pytest.mark.fault(39)
def test_another_user_gets_no_answer_and_reads_no_file(open_hive: FaultyHive) -> None:
    needs("setpriv", "curl")
    needs_root()
    hive = open_hive
    hive.serve()
    hive.launch("shell", 1)
    hive.turn(hive.send("BOT-001", "echo private"))
    port = hive.bot("BOT-001")["port"]
    assert as_nobody("ls", str(hive.root)).returncode == 0, "the folder itself is not what protects the hive"
    status = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"]
    for route in ROUTES:
        for headers in ([], ["-H", "Authorization: Bearer guessed"]):
            assert as_nobody(*status, *headers, f"http://127.0.0.1:{port}{route}").stdout == "401"
    posted = as_nobody(*status, "--json", '{"text": "id"}', f"http://127.0.0.1:{port}/message")
    assert posted.stdout == "401"
    sockets = [path for path in hive.folder.run.rglob("*") if path.is_socket()]
    assert len(sockets) >= 2
    for socket in sockets:
        done = as_nobody("curl", "-sS", "--unix-socket", str(socket), "http://hive/api/status")
        assert (done.returncode, done.stdout) == (7, ""), "it could connect"
    files = _files(hive.folder)
    assert {hive.folder.state_db, hive.folder.output_log("BOT-001"), hive.folder.run_record("BOT-001", 1)} <= files
    assert as_nobody("cat", *map(str, files)).stdout == ""
    assert as_nobody("find", str(hive.folder.deia), "-type", "f").stdout == ""
    assert {oct(path.stat().st_mode & 0o077) for path in files} == {"0o0"}
    assert hive.events("message_queued")[-1]["text"] == "echo private"


def _files(folder: Folder) -> set[Path]:
    return {path for path in folder.deia.rglob("*") if path.is_file()}


@pytest.mark.fault(40)
def test_a_web_page_that_rebound_its_name_is_refused(hive: FaultyHive) -> None:
    hive.serve()
    hive.launch("shell", 1)
    run = run_of(hive, "BOT-001")
    port, token = run["port"], {"Authorization": f"Bearer {run['token']}"}
    good = f"127.0.0.1:{port}"
    assert ask(port, "/status", Host=good, **token)[0] == 200
    assert ask(port, "/events", Host=good, **token, **UPGRADE)[0] == 101
    for route, more in (("/status", {}), ("/events", UPGRADE)):
        for host in (EVIL, f"{EVIL}:{port}", f"127.0.0.1.{EVIL}", "0.0.0.0", ""):
            status, answer = ask(port, route, Host=host, **token, **more)
            assert (status, "Host" in answer) == (403, True), host
        for origin in (f"http://{EVIL}", f"https://127.0.0.1.{EVIL}", "null"):
            status, answer = ask(port, route, Host=good, Origin=origin, **token, **more)
            assert (status, "origin" in answer) == (403, True), origin
        assert ask(port, route, **token, **more)[0] in (400, 403), "no Host at all"
        assert ask(port, route, Host=good, Origin=f"http://127.0.0.1:{port}", **token, **more)[0] in (200, 101)
    assert json.loads(ask(port, "/status", Host=good, **token)[1])["bot_id"] == "BOT-001"


@pytest.mark.fault(41)
def test_a_secret_in_the_output_is_seen_by_nobody(hive: FaultyHive, tmp_path: Path) -> None:
    script = tmp_path / "talkative.py"  # beside the hive: it has the secrets in it
    script.write_text(TALKATIVE.format(secrets=SECRETS))
    hive.configure(hive.agent("talkative", ["python3", str(script)]))
    console = hive.console()
    hive.launch("talkative", 1)
    console.until("BOT-001")
    message = hive.send("BOT-001", "what is the key?")
    assert hive.turn(message)["status"] == "answered"
    assert "nothing more" in hive.answer(message)
    console.until("nothing more")
    shown = hive.cli("logs", "BOT-001") + hive.cli("events", "-n", "500") + hive.cli("events", "-n", "500", "--json")
    seen = {"the command line": shown.encode(), "the screen": console.written()}
    seen |= {str(path): path.read_bytes() for path in _files(hive.folder)}
    leaks = [
        f"{secret[:6]}… in {where}"
        for where, content in seen.items()
        for secret in SECRETS
        if secret.encode() in content or (len(secret) > 20 and secret[20:].encode() in content)
    ]
    assert leaks == []
