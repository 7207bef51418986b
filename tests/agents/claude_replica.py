"""Claude Code as a bot sees it, without a model: lines of JSON as version 2.1.197 wrote and took them, answers by the
markers of llm_answers.py. Waits between retries are shorter, conversations are kept under $HOME/.claude.

Markers of its own, for what a program may do wrong:

    [[garbage]]         lines that are no JSON, before the answer
    [[strange]]         lines of every type, with what does not belong there, before the answer
    [[line:BYTES]]      one line that long, before the answer
    [[stderr:LINES]]    so many lines on stderr, before the answer
    [[ask:SUBTYPE]]     a control request that nobody knows; its answer is said
    [[again]]           a stream that breaks off, then the whole answer at once
    [[broken]]          a stream that breaks off, and a result all the same
    [[helper]]          tokens that only the sums of the result show
    [[die]]             three words, then SIGKILL
    [[more]]            after the answer, a turn that nobody asked for, until it is interrupted or half a second is over

With `--mute` it never answers `initialize`, with `--dead` it ends at once.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.agents.llm_answers import Answers
from tests.agents.llm_dialects import Anthropic, Asked, Plan

Json = dict[str, Any]
_OWN = re.compile(r"\[\[(garbage|strange|line|stderr|ask|again|broken|helper|die|more)(?::(.*?))?\]\]")
_RETRIES = 10
_RETRY_S = 0.05
_ERRORS = {401: "authentication_failed", 403: "authentication_failed", 429: "rate_limit", 529: "overloaded"}
_SAYS = {401: "Please run /login · API Error: 401 stub 401", 403: "Failed to authenticate. API Error: 403 stub 403"}
_STOPPED = "The user doesn't want to proceed with this tool use. The tool use was rejected."


class Interrupted(Exception):
    """`what` is the reason the result gives."""


class ApiError(Exception):
    def __init__(self, status: int | None, text: str, stop: str = "stop_sequence") -> None:
        super().__init__(text)
        self.status, self.stop = status, stop


class Replica:
    def __init__(self, options: dict[str, str]) -> None:
        self.session = options.get("--resume") or options["--session-id"]
        self.model = options.get("--model", "claude-opus-4-8")
        self.options = options
        self.transcript = Path.home() / ".claude" / f"{self.session}.jsonl"
        self.sums: defaultdict[str, float] = defaultdict(float)
        self.prompts: SimpleQueue[str] = SimpleQueue()
        self.answers: SimpleQueue[Json] = SimpleQueue()
        self.interrupted = threading.Event()
        self.reply = Answers()
        self._writing = threading.Lock()

    # The conversation

    def begin(self) -> None:
        known = self.transcript.exists()
        if "--resume" in self.options and not known:
            sys.exit(f"No conversation found with session ID: {self.session}")
        if "--resume" not in self.options and known:
            sys.exit(f"Error: Session ID {self.session} is already in use.")
        self.transcript.parent.mkdir(exist_ok=True)

    def texts(self) -> list[str]:
        return self.transcript.read_text().splitlines() if self.transcript.exists() else []

    def remember(self, text: str) -> None:
        with self.transcript.open("a") as file:
            file.write(text.replace("\n", " ") + "\n")

    # Lines

    def say(self, type: str, **fields: Any) -> None:
        self.write(json.dumps({"type": type, **fields, "session_id": self.session, "uuid": str(uuid.uuid4())}))

    def write(self, line: str) -> None:
        with self._writing:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def listen(self) -> None:
        for line in sys.stdin:
            match json.loads(line):
                case {"type": "user", "message": {"content": str() as text}}:
                    self.interrupted.clear()
                    self.prompts.put(text)
                case {"type": "control_response", "response": answer}:
                    self.answers.put(answer)
                case {"type": "control_request", "request_id": id, "request": {"subtype": subtype}}:
                    self.control(id, subtype)
        os._exit(0)

    def control(self, id: str, subtype: str) -> None:
        answer: Json = {"subtype": "success", "request_id": id}
        match subtype:
            case "initialize" if "--mute" in self.options:
                return
            case "initialize":
                answer["response"] = {"commands": [], "models": []}
            case "interrupt":
                self.interrupted.set()
            case _:
                answer |= {"subtype": "error", "error": f"Unsupported control request subtype: {subtype}"}
        self.write(json.dumps({"type": "control_response", "response": answer}))

    # Turns

    def turn(self, text: str) -> None:
        self.say("system", subtype="init", model=self.model, tools=["Bash", "Write"], permissionMode="default")
        self.used = 0
        try:
            self.misbehave(text)
            self.remember(text)
            answer, stop = self.request(text, None)
            self.result(result=answer, stop_reason=stop)
        except Interrupted as error:
            self.interrupted.clear()
            self.result(
                "error_during_execution", is_error=True, terminal_reason=str(error), errors=["[ede_diagnostic]"]
            )
        except ApiError as error:
            content = [{"type": "text", "text": str(error)}]
            self.say("assistant", message={"id": "x", "model": "<synthetic>", "content": content})
            said = {"result": str(error), "stop_reason": error.stop, "api_error_status": error.status}
            self.result(is_error=True, **said)

    def turn_of_its_own(self) -> None:
        self.say("system", subtype="init", model=self.model)
        try:
            self.wait(0.5)
            self.result(result="nobody asked")
        except Interrupted as error:
            self.result("error_during_execution", is_error=True, terminal_reason=str(error))

    def result(self, subtype: str = "success", **fields: Any) -> None:
        sums = {f"{self.model}[1m]": dict(self.sums)} if self.sums else {}
        whole = {"is_error": False, "api_error_status": None, "terminal_reason": "completed", **fields}
        cost_usd = self.sums.get("costUSD", 0)
        self.say("result", subtype=subtype, **whole, total_cost_usd=cost_usd, modelUsage=sums, num_turns=1)

    def misbehave(self, text: str) -> None:
        for what, value in _OWN.findall(text):
            match what:
                case "garbage":
                    self.write("Warning: this is no JSON\n[1, 2\n\x00\x1b[31m")
                case "strange":
                    for shape in strange():
                        self.write(json.dumps(shape))
                case "line":
                    self.say("system", subtype="status", status="x" * int(value))
                case "stderr":
                    sys.stderr.write("".join(f"complaint {n}\n" for n in range(int(value))))
                    sys.stderr.flush()
                case "ask":
                    self.write(
                        json.dumps({"type": "control_request", "request_id": "q", "request": {"subtype": value}})
                    )
                    raise ApiError(None, f"answered: {self.answers.get()}")
                case "helper":
                    self.count(1000, 100)

    def request(self, text: str, tool_result: str | None) -> tuple[str, str]:
        """One request to the model, and those that follow from its tools."""
        asked = Asked(self.model, True, text, len(self.texts()), tool_result, 4 * 250)
        plan = self.plan(asked)
        self.say("system", subtype="status", status="requesting")
        message = Anthropic(asked, plan)
        own = dict(_OWN.findall(text)).keys() if tool_result is None else ()
        if plan.kind == "hang":
            self.wait(3600)
        self.stream(message, plan, dies="die" in own)
        if plan.kind == "cut":
            raise ApiError(None, "API Error: Unable to connect to API (ECONNRESET)")
        if "broken" in own:
            return plan.text, "end_turn"
        if "again" in own:
            whole = Anthropic(asked, plan).whole()
            self.say("assistant", message=whole, parent_tool_use_id=None)
            self.count(*message.tokens)
            return plan.text, "end_turn"
        self.finish(message, plan)
        if plan.stop == "refusal":
            raise ApiError(None, "API Error: Claude Code is unable to respond to this request", "refusal")
        if plan.tool:
            return self.request(text, self.use(f"toolu_{message.id}", plan))
        return plan.text, plan.stop or "end_turn"

    def plan(self, asked: Asked) -> Plan:
        plan = self.reply.plan(asked)
        attempt = 0
        while plan.kind == "fail":
            attempt += 1
            if plan.status == 529 and attempt > 2:
                raise ApiError(None, "API Error: Repeated 529 Overloaded errors.")
            if plan.status == 400 or attempt > _RETRIES:
                text = _SAYS.get(plan.status, f"API Error: {plan.status} stub {plan.status}")
                raise ApiError(plan.status, text)
            retry = {"attempt": attempt, "max_retries": _RETRIES, "retry_delay_ms": _RETRY_S * 1000}
            error = {"error_status": plan.status, "error": _ERRORS.get(plan.status, "server_error")}
            self.say("system", subtype="api_retry", **retry, **error)
            self.wait(_RETRY_S)
            plan = self.reply.plan(asked)
        return plan

    def stream(self, message: Anthropic, plan: Plan, *, dies: bool) -> None:
        for event in message.opening():
            self.event(event)
        for word in plan.words:
            self.event(message.delta(word))
            self.wait(plan.pause_s)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.kind == "stall":
            self.wait(3600)

    def finish(self, message: Anthropic, plan: Plan) -> None:
        whole = message.whole()
        blocks = iter(whole["content"])
        for event in message.closing():
            if isinstance(event, dict) and event["type"] == "content_block_stop":
                content = {**whole, "content": [next(blocks)], "stop_reason": None}
                self.say("assistant", message=content, parent_tool_use_id=None)
            self.event(event)
        self.count(*message.tokens)

    def event(self, event: Json | str) -> None:
        self.say("stream_event", event=event, parent_tool_use_id=None)

    def count(self, sent: int, written: int) -> None:
        self.sums["inputTokens"] += sent
        self.sums["outputTokens"] += written
        self.sums["costUSD"] += sent * 5e-6 + written * 25e-6

    def wait(self, seconds: float) -> None:
        if self.interrupted.wait(seconds) if seconds else self.interrupted.is_set():
            raise Interrupted("aborted_streaming")

    # Tools

    def use(self, id: str, plan: Plan) -> str:
        result, found, failed = f"{plan.tool} is done", {}, False
        if plan.tool in ("Bash", "Write", "Edit"):
            answer = self.permission(id, plan)
            if answer["behavior"] == "deny":
                result, failed = answer["message"], True
            elif plan.tool == "Bash":
                result, failed = self.run(id, answer["updatedInput"]["command"])
            else:
                found = {"originalFile": "before\n"}
        elif plan.tool == "TaskCreate":
            found = {"task": {"id": "1", "subject": plan.given["subject"]}}
        elif plan.tool == "TaskUpdate":
            found = {"success": True, "taskId": plan.given["taskId"]}
        self.tool_result(id, result, failed, found)
        return result

    def permission(self, id: str, plan: Plan) -> Json:
        asking = str(uuid.uuid4())
        request = {"subtype": "can_use_tool", "tool_name": plan.tool, "input": plan.given, "tool_use_id": id}
        self.write(json.dumps({"type": "control_request", "request_id": asking, "request": request}))
        while self.answers.empty():
            if self.interrupted.wait(0.005):
                self.write(json.dumps({"type": "control_cancel_request", "request_id": asking}))
                self.tool_result(id, _STOPPED, True, {})
                raise Interrupted("aborted_tools")
        response: Json = self.answers.get()["response"]
        return response

    def run(self, id: str, command: str) -> tuple[str, bool]:
        running = subprocess.Popen(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        while running.poll() is None:
            if self.interrupted.wait(0.005):
                os.killpg(running.pid, signal.SIGKILL)
                running.communicate()
                self.tool_result(id, _STOPPED, True, {})
                raise Interrupted("aborted_tools")
        output = running.communicate()[0]
        failed = running.returncode != 0
        return (f"Exit code {running.returncode}\n{output}" if failed else output).rstrip(), failed

    def tool_result(self, id: str, content: str, is_error: bool, found: Json) -> None:
        block = {"tool_use_id": id, "type": "tool_result", "content": content, "is_error": is_error}
        message = {"role": "user", "content": [block]}
        self.say("user", message=message, parent_tool_use_id=None, tool_use_result=found)


def strange() -> Iterator[Json]:
    odd = (None, 7, "text", [None], {"x": []})
    for value in odd:
        block = {"type": "tool_use", "id": "odd", "name": "MultiEdit", "input": {"file_path": "/a", "edits": value}}
        yield {"type": "assistant", "message": {"id": value, "model": value, "usage": value, "content": [block, value]}}
        result = {"type": "tool_result", "tool_use_id": "odd", "content": value}
        yield {"type": "user", "message": {"content": [result, value]}, "tool_use_result": value}
        yield {"type": "stream_event", "event": {"type": "message_delta", "usage": value}}
        yield {"type": "stream_event", "event": {"type": "content_block_start", "content_block": value}}
        retry = {"attempt": value, "error_status": value, "retry_delay_ms": value}
        yield {"type": "system", "subtype": "api_retry", **retry}
        yield {"type": "control_request", "request_id": value, "request": value}
        yield {"type": "control_response", "response": value}
        yield {"type": value}
        for kind in ("assistant", "user", "stream_event", "system"):
            yield {"type": kind, "message": value, "event": value, "subtype": value}


def main() -> None:
    words = sys.argv[1:]
    if "--dead" in words:
        sys.exit("Illegal instruction")
    replica = Replica(dict(zip(words, [*words[1:], ""], strict=True)))
    replica.begin()
    threading.Thread(target=replica.listen, daemon=True).start()
    while True:
        text = replica.prompts.get()
        replica.turn(text)
        if "[[more]]" in text:
            replica.turn_of_its_own()


if __name__ == "__main__":
    main()
