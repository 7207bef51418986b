"""The demo's agent that thinks, plans, uses tools and asks for leave: it speaks the Agent Client Protocol on stdin and
stdout as any other, but has no model. What it does is written here, and it touches no file."""

import json
import queue
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

Json = dict[str, Any]
LEAVE = [
    {"optionId": "once", "name": "Allow", "kind": "allow_once"},
    {"optionId": "always", "name": "Always allow", "kind": "allow_always"},
    {"optionId": "no", "name": "Deny", "kind": "reject_once"},
]


class Cancelled(Exception):
    """The turn is interrupted."""


class Wire:
    """JSON-RPC 2.0, one message a line; a thread listens while a turn goes on."""

    def __init__(self) -> None:
        self.requests: queue.Queue[Json | None] = queue.Queue()
        self.cancelled = threading.Event()
        self._answers: queue.Queue[Json] = queue.Queue()

    def listen(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if message.get("method") == "session/cancel":
                self.cancelled.set()
            elif "method" in message:
                self.requests.put(message)
            else:
                self._answers.put(message)
        self.requests.put(None)

    def send(self, **message: Any) -> None:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

    def ask(self, method: str, params: Json) -> Json:
        self.send(id=uuid.uuid4().hex, method=method, params=params)
        result: Json = self._answers.get().get("result") or {}
        return result


class Turn:
    """What the scenes are made of; `cost_usd` is of the whole session."""

    def __init__(self, wire: Wire, session: str) -> None:
        self._wire = wire
        self._session = session
        self._calls = 0

    def think(self, text: str) -> None:
        for line in text.split("\n"):
            self._update("agent_thought_chunk", content=_text(line + "\n"))
            self._pause(0.6)

    def say(self, text: str) -> None:
        for word in text.split(" "):
            self._update("agent_message_chunk", content=_text(word + " "))
            self._pause(0.07)
        self._update("agent_message_chunk", content=_text("\n\n"))

    def plan(self, steps: Sequence[str], done: int) -> None:
        status = (["completed"] * done + ["in_progress"] + ["pending"] * len(steps))[: len(steps)]
        pairs = zip(steps, status, strict=True)
        self._update("plan", entries=[{"content": step, "status": now, "priority": "medium"} for step, now in pairs])

    def use(self, tool: str, kind: str, given: str, output: str, seconds: float, *, fails: bool = False) -> None:
        call = self._begin(tool, kind, given)
        self._pause(seconds)
        self._end(call, "failed" if fails else "completed", {"type": "content", "content": _text(output)})

    def edit(self, path: str, old: str, new: str) -> None:
        call = self._begin("Edit", "edit", path)
        self._pause(0.6)
        self._end(call, "completed", {"type": "diff", "path": path, "oldText": old, "newText": new})

    def use_with_leave(self, tool: str, given: str, output: str) -> bool:
        call = self._begin(tool, "execute", given)
        params = {"sessionId": self._session, "toolCall": call, "options": LEAVE}
        outcome = self._wire.ask("session/request_permission", params).get("outcome") or {}
        self._pause(0)
        is_allowed = outcome.get("optionId") in ("once", "always")
        text = output if is_allowed else "not allowed"
        self._end(call, "completed" if is_allowed else "failed", {"type": "content", "content": _text(text)})
        return is_allowed

    def _begin(self, tool: str, kind: str, given: str) -> Json:
        self._calls += 1
        name = "command" if kind == "execute" else "file_path"
        call = {"toolCallId": f"call-{self._calls}", "title": given, "kind": kind, "rawInput": {name: given}}
        self._update("tool_call", **call, status="in_progress", _meta={"demo": {"toolName": tool}})
        return call

    def _end(self, call: Json, status: str, content: Json) -> None:
        self._update("tool_call_update", toolCallId=call["toolCallId"], status=status, content=[content])

    def _update(self, kind: str, /, **fields: Any) -> None:
        update = {"sessionUpdate": kind, **fields}
        self._wire.send(method="session/update", params={"sessionId": self._session, "update": update})

    def _pause(self, seconds: float) -> None:
        if self._wire.cancelled.wait(seconds):
            raise Cancelled


STEPS = ("Read the test that fails", "Run it until it fails", "Take the time from one clock", "Run it again")
OLD = """\
    def is_expired(self) -> bool:
        return time.time() > self.expires_at
"""
NEW = """\
    def is_expired(self, now: float) -> bool:
        return now >= self.expires_at
"""
FIXED = """\
**Mended.** `test_login_retry` failed about once in 200 runs:

- `Session.is_expired` read the **wall clock**, the test a *monotonic* one
- a step of NTP between the two made a fresh session look old

```python
def is_expired(self, now: float) -> bool:
    return now >= self.expires_at
```

The caller passes `now` in, so the test decides what time it is. 200 runs, no failure."""

REVIEW = """\
Before it is merged I would ask for two things:

| file | what | weight |
|---|---|---|
| `shop/admin.py` | compares `expires_at` by itself | **must** |
| `shop/cart.py` | still calls it without `now` | **must** |
| `tests/test_login.py` | the clock could be a fixture | could |"""


def mend(turn: Turn) -> None:
    turn.think("It fails only now and then.\nSo I want to see it fail before I change anything.")
    turn.plan(STEPS, 0)
    turn.use("Read", "read", "tests/test_login.py", "def test_login_retry(clock): …", 0.7)
    turn.plan(STEPS, 1)
    turn.use("Bash", "execute", "pytest -q --count 200 tests/test_login.py", "1 failed, 199 passed", 2.6, fails=True)
    turn.plan(STEPS, 2)
    turn.edit("shop/session.py", OLD, NEW)
    turn.plan(STEPS, 3)
    turn.use("Bash", "execute", "pytest -q --count 200 tests/test_login.py", "200 passed", 2.3)
    turn.plan(STEPS, 4)
    turn.say(FIXED)


def tidy(turn: Turn) -> None:
    turn.use("Bash", "execute", "du -sh build/ dist/", "812M build/\n96M dist/", 0.5)
    turn.say("Both folders can be made again. I would remove them:")
    is_gone = turn.use_with_leave("Bash", "rm -r build/ dist/", "")
    turn.say("They are **gone**: 908 MB free again." if is_gone else "Then I leave them where they are.")


def review(turn: Turn) -> None:
    turn.think("First what has changed.\nThen who calls it.")
    turn.use("Bash", "execute", "git diff --stat main", "1 file changed, 2 insertions(+), 2 deletions(-)", 1.4)
    turn.use("Grep", "search", "is_expired|expires_at", "shop/admin.py\nshop/cart.py\nshop/session.py", 1.2)
    turn.use("Read", "read", "shop/admin.py", "if user.session.expires_at < time.time(): …", 1.1)
    turn.say(REVIEW)


SCENES: dict[str, Callable[[Turn], None]] = {"mend": mend, "review": review, "tidy": tidy}


def answer(wire: Wire, method: str, params: Json, cost_usd: float) -> Json:
    match method:
        case "initialize":
            return {"protocolVersion": 1, "agentCapabilities": {}, "agentInfo": {"name": "coder", "version": "1"}}
        case "session/new":
            return {"sessionId": uuid.uuid4().hex}
        case "session/prompt":
            return _play(wire, params, cost_usd)
        case _:
            return {}


def _play(wire: Wire, params: Json, cost_usd: float) -> Json:
    wire.cancelled.clear()
    session, text = params["sessionId"], "".join(block["text"] for block in params["prompt"])
    turn = Turn(wire, session)
    try:
        next((scene for word, scene in SCENES.items() if word in text.lower()), _repeat)(turn)
    except Cancelled:
        return {"stopReason": "cancelled"}
    update = {"sessionUpdate": "usage_update", "used": 18_420, "size": 200_000}
    cost = {"amount": cost_usd, "currency": "USD"}
    wire.send(method="session/update", params={"sessionId": session, "update": {**update, "cost": cost}})
    tokens = {"inputTokens": 1_204, "outputTokens": 918, "cachedReadTokens": 16_298, "totalTokens": 18_420}
    return {"stopReason": "end_turn", "usage": tokens}


def _repeat(turn: Turn) -> None:
    turn.say("I can do three things: **mend** a test, **review** a change and **tidy** up.")


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def main() -> None:
    wire = Wire()
    threading.Thread(target=wire.listen, daemon=True).start()
    cost_usd = 0.0
    while (request := wire.requests.get()) is not None:
        cost_usd += 0.0223 if request["method"] == "session/prompt" else 0.0
        result = answer(wire, request["method"], request.get("params") or {}, cost_usd)
        if "id" in request:
            wire.send(id=request["id"], result=result)


if __name__ == "__main__":
    main()
