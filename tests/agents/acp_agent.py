"""A small agent that speaks the Agent Client Protocol on stdin and stdout, and needs no library: an example for who
writes one. It has no model: it does what the marks in the prompt say, one after the other, else it repeats the prompt.

    [[say:TEXT]]            answer                      [[think:TEXT]]       a thought
    [[slow:N]]              N words, one every 20 ms    [[plan:A,B]]         a plan of two steps, the first is done
    [[slow:N:S]]            N words, one every S s      [[clock:TEXT]]       TEXT and the time (perf_counter)
    [[tool:NAME:INPUT]]     use a tool without asking   [[ask:NAME:INPUT]]   ask for leave first
    [[diff:PATH:OLD:NEW]]   a tool that edits a file    [[recall]]           repeat the earlier prompts of the session
    [[usage:IN:OUT:CACHED]] tokens used by this turn    [[cost:USD]]         what the session has cost so far
    [[quota:MODEL:IN:OUT]]  tokens as gemini tells them [[stop:REASON]]      end the turn for this reason
    [[hang]]                nothing until cancelled     [[deaf]]             nothing, not even then
    [[die:CODE]]            end the process             [[error:CODE:TEXT]]  fail (TEXT may be JSON: the data)
    [[garbage:N]]           N lines that are no JSON    [[big:N]]            an answer of N bytes in one line
    [[stderr:N]]            N bytes on stderr           [[endless:N]]        N bytes of a line that does not end
    [[who]]                 the model and the mode      [[env:NAME]]         a variable of its environment
    [[odd]]                 messages of other versions of the protocol
    [[raw:LINE]]            the line as it is, with SESSION replaced
"""

import argparse
import codecs
import json
import os
import queue
import re
import select
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
OPTIONS = [
    {"optionId": "once", "name": "Allow", "kind": "allow_once"},
    {"optionId": "always", "name": "Always allow", "kind": "allow_always"},
    {"optionId": "no", "name": "Deny", "kind": "reject_once"},
]
MODELS = [{"value": "small", "name": "Small"}, {"value": "large", "name": "Large"}]
MODES = {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}, {"id": "act", "name": "Act"}]}


class RpcError(Exception):
    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data is not None else {})}


class Wire:
    """JSON-RPC 2.0, one message a line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, queue.Queue[Json]] = {}

    def write(self, line: str) -> None:
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def send(self, **message: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}))

    def ask(self, method: str, params: Json) -> Json:
        """A request of ours; waits for its answer."""
        request_id = uuid.uuid4().hex
        answer = self._answers[request_id] = queue.Queue()
        self.send(id=request_id, method=method, params=params)
        result: Json = answer.get().get("result") or {}
        return result

    def messages(self) -> Iterator[Json]:
        """What the client asks; answers to our own requests go to who waits for them."""
        for line in sys.stdin:
            message = json.loads(line)
            if "method" in message:
                yield message
            elif message["id"] in self._answers:
                self._answers.pop(message["id"]).put(message)


class Agent:
    def __init__(self, wire: Wire, options: argparse.Namespace) -> None:
        self._wire = wire
        self._options = options
        self._store = Path(options.store) if options.store else None
        self._sessions: dict[str, list[str]] = {}
        if self._store and self._store.exists():
            self._sessions = json.loads(self._store.read_text())
        self._cancelled = threading.Event()
        self._model = "small"
        self._mode = "ask"

    def run(self) -> None:
        for message in self._wire.messages():
            method, params = message["method"], message.get("params") or {}
            if method == "session/cancel":
                self._cancelled.set()
            elif method == "session/prompt":  # takes its time; meanwhile we listen
                self._cancelled.clear()
                threading.Thread(target=self._answer, args=(message["id"], method, params), daemon=True).start()
            elif "id" in message:
                self._answer(message["id"], method, params)

    def _answer(self, request_id: Any, method: str, params: Json) -> None:
        try:
            self._wire.send(id=request_id, result=self._do(method, params))
        except RpcError as failure:
            self._wire.send(id=request_id, error=failure.error)
        except (KeyError, TypeError, ValueError) as error:
            self._wire.send(id=request_id, error={"code": -32602, "message": f"Invalid params: {error!r}"})

    def _do(self, method: str, params: Json) -> Json:
        match method:
            case "initialize":
                return self._initialize()
            case "session/new":
                return self._begin(uuid.uuid4().hex)
            case "session/resume":
                return self._begin(self._known(params))
            case "session/load":
                session = self._known(params)
                for text in self._sessions[session]:
                    self._update(session, "user_message_chunk", content=_text(text))
                    self._update(session, "agent_message_chunk", content=_text(f"You said: {text}"))
                return self._begin(session)
            case "session/set_mode":
                self._mode = params["modeId"]
                return {}
            case "session/set_config_option":
                self._model = params["value"]
                return {"configOptions": self._choices()}
            case "session/set_model":
                self._model = params["modelId"]
                return {}
            case "session/prompt":
                return self._prompt(params["sessionId"], "".join(block["text"] for block in params["prompt"]))
            case _:
                raise RpcError(-32601, "Method not found", {"method": method})

    def _initialize(self) -> Json:
        if self._options.mute:
            threading.Event().wait()
        sessions = {"resume": {}} if self._options.resume else {}
        return {
            "protocolVersion": self._options.protocol,
            "agentCapabilities": {"loadSession": self._options.load, "sessionCapabilities": sessions},
            "agentInfo": {"name": "acp-agent", "version": "1"},
        }

    def _begin(self, session: str) -> Json:
        if self._options.logged_out:
            raise RpcError(-32000, "Authentication required", {"details": "run acp-agent login"})
        self._sessions.setdefault(session, [])
        self._save()
        offer: Json = {"sessionId": session, "modes": MODES}
        if self._options.models == "option":
            offer["configOptions"] = self._choices()
        elif self._options.models == "method":
            offer["models"] = {"availableModels": [{"modelId": model["value"]} for model in MODELS]}
        return offer

    def _choices(self) -> list[Json]:
        about = {"id": "model", "name": "Model", "category": "model", "type": "select"}
        return [{**about, "currentValue": self._model, "options": MODELS}]

    def _known(self, params: Json) -> str:
        session: str = params["sessionId"]
        if session not in self._sessions:
            raise RpcError(-32002, "Resource not found", {"uri": session})
        return session

    def _save(self) -> None:
        if self._store:
            self._store.write_text(json.dumps(self._sessions))

    def _prompt(self, session: str, text: str) -> Json:
        turn = Turn(self._wire, session, self._cancelled, self._sessions[session], f"{self._model}, {self._mode}")
        marks = re.findall(r"\[\[(\w+):?(.*?)\]\]", text, re.DOTALL)
        for name, rest in marks:
            if self._cancelled.is_set():
                break
            turn.act(name, rest)
        if self._options.program:
            turn.relay(self._options.program, text)
        elif not marks:
            turn.act("say", f"You said: {text}")
        self._sessions[session].append(text)
        self._save()
        return {**turn.result, "stopReason": "cancelled"} if self._cancelled.is_set() else turn.result

    def _update(self, session: str, kind: str, /, **fields: Any) -> None:
        update = {"sessionUpdate": kind, **fields}
        self._wire.send(method="session/update", params={"sessionId": session, "update": update})


class Turn:
    """Does what marks say; `result` is how the turn is answered."""

    def __init__(self, wire: Wire, session: str, cancelled: threading.Event, earlier: list[str], how: str) -> None:
        self.result: Json = {"stopReason": "end_turn"}
        self._wire = wire
        self._session = session
        self._cancelled = cancelled
        self._earlier = earlier
        self._how = how
        self._calls = 0

    def act(self, name: str, rest: str) -> None:
        part = rest.split(":", 3)
        match name:
            case "say":
                self._say(rest)
            case "who":
                self._say(self._how)
            case "env":
                self._say(os.environ.get(rest, "(not set)"))
            case "recall":
                self._say(" | ".join(self._earlier))
            case "think":
                self._update("agent_thought_chunk", content=_text(rest))
            case "slow":
                for number in range(int(part[0])):
                    if self._cancelled.wait(float(part[1]) if part[1:] else 0.02):
                        break
                    self._say(f"word{number} ")
            case "clock":
                self._say(f"clock {rest} {time.perf_counter():.4f} ")
            case "plan":
                steps = zip(rest.split(","), ("completed", "pending"), strict=True)
                entries = [{"content": step, "status": status, "priority": "high"} for step, status in steps]
                self._update("plan", entries=entries)
            case "tool":
                self._use_tool(part[0], rest.partition(":")[2])
            case "ask":
                self._ask_first(part[0], rest.partition(":")[2])
            case "diff":
                change = {"type": "diff", "path": part[0], "oldText": part[1], "newText": part[2]}
                self._calls += 1
                name = f"edit-{self._calls}"
                self._update("tool_call", toolCallId=name, title=f"Edit {part[0]}", kind="edit", status="in_progress")
                self._update("tool_call_update", toolCallId=name, status="completed", content=[change])
            case "usage":
                given, made, cached = map(int, part)
                tokens = {"inputTokens": given, "outputTokens": made, "cachedReadTokens": cached}
                self.result["usage"] = {**tokens, "totalTokens": given + made + cached}
            case "quota":
                tokens = {"input_tokens": int(part[1]), "output_tokens": int(part[2])}
                used = {"token_count": tokens, "model_usage": [{"model": part[0], "token_count": tokens}]}
                self.result["_meta"] = {"quota": used}
            case "cost":
                self._update("usage_update", used=10, size=1000, cost={"amount": float(rest), "currency": "USD"})
            case "stop":
                self.result["stopReason"] = rest
            case "hang":
                self._cancelled.wait()
            case "deaf":
                threading.Event().wait()
            case "die":
                print("it went wrong", file=sys.stderr, flush=True)
                os._exit(int(rest or 1))
            case "error":
                code, _, text = rest.partition(":")
                raise (
                    RpcError(int(code), "Internal error", json.loads(text))
                    if text.startswith("{")
                    else RpcError(int(code), text)
                )
            case "garbage":
                for number in range(int(rest)):
                    self._wire.write(f"garbage {number}")
            case "big":
                self._say("x" * int(rest))
            case "endless":
                sys.stdout.write("x" * int(rest))
                sys.stdout.flush()
            case "stderr":
                sys.stderr.write("e" * int(rest) + "\n")
                sys.stderr.flush()
            case "raw":
                self._wire.write(rest.replace("SESSION", self._session))
            case "odd":
                self._update("hologram", shape="cube")
                self._wire.send(method="session/dream", params={})
                self._wire.send(id=[], result={})
                self._wire.send(id=77, result="whose?")
                self._wire.write(json.dumps(["not", "an", "object"]))
                self._say(str(sorted(self._wire.ask("fs/read_text_file", {"path": "/etc/passwd"}))))

    def relay(self, argv: list[str], prompt: str) -> None:
        """Let a program answer, which reads little and fails loudly."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            assert program.stdin and program.stdout
            program.stdin.write(prompt.encode())
            program.stdin.close()
            while not self._cancelled.is_set():
                if select.select([program.stdout], [], [], 0.02)[0]:
                    if not (data := os.read(program.stdout.fileno(), 65536)):
                        break
                    self._say(decoder.decode(data))
            else:
                program.kill()
        if program.returncode and not self._cancelled.is_set():
            raise RpcError(-32603, f"the program ended with {program.returncode}")

    def _say(self, text: str) -> None:
        self._update("agent_message_chunk", content=_text(text))

    def _use_tool(self, name: str, given: str) -> None:
        self._end_tool(self._announce(name, given), "completed", f"{name} did {given}")

    def _ask_first(self, name: str, given: str) -> None:
        call = self._announce(name, given)
        answer = self._wire.ask(
            "session/request_permission", {"sessionId": self._session, "toolCall": call, "options": OPTIONS}
        )
        outcome = answer.get("outcome") or {}
        if outcome.get("optionId") in ("once", "always"):
            self._end_tool(call, "completed", f"{name} did {given}")
        else:
            self._end_tool(call, "failed", "not allowed")
        self._say(f"[{outcome.get('optionId', outcome.get('outcome'))}]")

    def _announce(self, name: str, given: str) -> Json:
        self._calls += 1
        call_id = f"call-{self._calls}"
        call = {"toolCallId": call_id, "title": f"{name} {given}", "kind": "execute", "rawInput": {"command": given}}
        self._update("tool_call", **call, status="pending", _meta={"example": {"toolName": name}})
        self._update("tool_call_update", toolCallId=call_id, status="in_progress")
        return call

    def _end_tool(self, call: Json, status: str, output: str) -> None:
        content = [{"type": "content", "content": _text(output)}]
        self._update("tool_call_update", toolCallId=call["toolCallId"], status=status, content=content)

    def _update(self, kind: str, /, **fields: Any) -> None:
        update = {"sessionUpdate": kind, **fields}
        self._wire.send(method="session/update", params={"sessionId": self._session, "update": update})


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def main() -> None:
    parser = argparse.ArgumentParser(description="An agent without a model that speaks the Agent Client Protocol.")
    parser.add_argument("--store", help="the file that keeps sessions")
    parser.add_argument("--protocol", type=int, default=1, help="the version it says it speaks")
    parser.add_argument("--no-resume", dest="resume", action="store_false", help="it cannot resume a session")
    parser.add_argument("--load", action="store_true", help="it can load a session, and replays it")
    parser.add_argument("--models", choices=["option", "method", ""], default="option", help="how models are chosen")
    parser.add_argument("--mute", action="store_true", help="it never answers")
    parser.add_argument("program", nargs="*", help="answers in its place: reads the prompt, prints the answer")
    parser.add_argument("--logged-out", action="store_true", help="it has no credentials")
    Agent(Wire(), parser.parse_args()).run()


if __name__ == "__main__":
    main()
