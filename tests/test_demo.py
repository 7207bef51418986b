"""The demo's agent, spoken to as a bot does."""

import json
import subprocess
import sys
from typing import Any


def test_it_asks_for_leave_and_can_be_interrupted() -> None:
    argv = [sys.executable, "-m", "deia_tui.demo.coder"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin and program.stdout

        def send(**message: Any) -> None:
            assert program.stdin
            print(json.dumps({"jsonrpc": "2.0", **message}), file=program.stdin, flush=True)

        def prompt(text: str) -> None:
            send(
                id=text, method="session/prompt", params={"sessionId": "s", "prompt": [{"type": "text", "text": text}]}
            )

        said = ""
        prompt("tidy up")
        for line in program.stdout:
            message = json.loads(line)
            update = message.get("params", {}).get("update", {})
            if message.get("method") == "session/request_permission":
                send(id=message["id"], result={"outcome": {"outcome": "selected", "optionId": "no"}})
            elif update.get("sessionUpdate") == "agent_message_chunk":
                said += update["content"]["text"]
            elif message.get("id") == "tidy up":
                assert message["result"]["stopReason"] == "end_turn" and message["result"]["usage"]
                prompt("mend it")
            elif update.get("sessionUpdate") == "plan":
                send(method="session/cancel", params={"sessionId": "s"})
            elif message.get("id") == "mend it":
                assert message["result"] == {"stopReason": "cancelled"}
                program.stdin.close()
        assert "Then I leave them" in said
    assert program.returncode == 0
