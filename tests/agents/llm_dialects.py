"""How requests and answers of three APIs of language models look."""

import itertools
import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
_UNTYPED = re.compile(r"<(system-reminder|environment_context|user_instructions|session_context)>.*?</\1>", re.DOTALL)
_numbers = itertools.count(1)


@dataclass
class Asked:
    """`text` is the newest the user wrote, of `turns`; `tool_result` is set if the newest message is one."""

    model: str
    stream: bool
    text: str
    turns: int
    tool_result: str | None
    size: int


@dataclass
class Plan:
    kind: str
    text: str = ""
    pause_s: float = 0.0
    status: int = 200
    thought: str = ""
    stop: str = ""
    tool: str = ""
    given: Json = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        return re.findall(r"\S+\s*|\s+", self.text)


class Dialect(ABC):
    def __init__(self, asked: Asked, plan: Plan) -> None:
        self.asked, self.plan = asked, plan
        self.id = f"{next(_numbers):06d}"
        self.tokens = max(1, asked.size // 4), len(plan.text.split()) + (10 if plan.tool else 0)

    @staticmethod
    @abstractmethod
    def read(body: Json) -> Asked: ...

    @staticmethod
    @abstractmethod
    def error(status: int) -> Json: ...

    @abstractmethod
    def whole(self) -> Json: ...

    @abstractmethod
    def opening(self) -> list[Json]: ...

    @abstractmethod
    def delta(self, word: str) -> Json: ...

    @abstractmethod
    def closing(self) -> list[Json | str]: ...


class Anthropic(Dialect):
    _ERRORS = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    @staticmethod
    def read(body: Json) -> Asked:
        texts: list[str] = []
        result: str | None = None
        for message in body.get("messages", []):
            content = message["content"]
            blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
            for block in blocks if message["role"] == "user" else ():
                if block.get("type") == "tool_result":
                    result = _text(block.get("content"))
                elif text := _typed(block.get("text", "")):
                    texts.append(text)
                    result = None
        return _asked(body, texts, result)

    @staticmethod
    def error(status: int) -> Json:
        kind = Anthropic._ERRORS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": f"stub {status}"}}

    def whole(self) -> Json:
        content: list[Json] = [{"type": "text", "text": self.plan.text}]
        if self.plan.tool:
            content.append(self._call(self.plan.given))
        return self._message(content, self._stop, self.tokens[1])

    def opening(self) -> list[Json]:
        begin: list[Json] = [{"type": "message_start", "message": self._message([], None, 1)}]
        if self.plan.thought:
            thought = {"type": "thinking_delta", "thinking": self.plan.thought}
            signature = {"type": "signature_delta", "signature": "c3R1Yg=="}
            begin += [
                {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
                {"type": "content_block_delta", "index": 0, "delta": thought},
                {"type": "content_block_delta", "index": 0, "delta": signature},
                {"type": "content_block_stop", "index": 0},
            ]
        start = {"type": "content_block_start", "index": self._at, "content_block": {"type": "text", "text": ""}}
        return [*begin, start]

    def delta(self, word: str) -> Json:
        return {"type": "content_block_delta", "index": self._at, "delta": {"type": "text_delta", "text": word}}

    def closing(self) -> list[Json | str]:
        events: list[Json | str] = [{"type": "content_block_stop", "index": self._at}]
        if self.plan.tool:
            at = self._at + 1
            given = {"type": "input_json_delta", "partial_json": json.dumps(self.plan.given)}
            events += [
                {"type": "content_block_start", "index": at, "content_block": self._call({})},
                {"type": "content_block_delta", "index": at, "delta": given},
                {"type": "content_block_stop", "index": at},
            ]
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        return [
            *events,
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": self.tokens[1]}},
            {"type": "message_stop"},
        ]

    @property
    def _at(self) -> int:
        return 1 if self.plan.thought else 0

    @property
    def _stop(self) -> str:
        return self.plan.stop or ("tool_use" if self.plan.tool else "end_turn")

    def _call(self, given: Json) -> Json:
        return {"type": "tool_use", "id": f"toolu_{self.id}", "name": self.plan.tool, "input": given}

    def _message(self, content: list[Json], stop: str | None, output_tokens: int) -> Json:
        usage = {
            "input_tokens": self.tokens[0],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
        }
        return {
            "id": f"msg_{self.id}",
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }


class Chat(Dialect):
    """OpenAI's chat completions."""

    @staticmethod
    def read(body: Json) -> Asked:
        messages = body.get("messages", [])
        last = messages[-1] if messages else {}
        result = _text(last.get("content")) if last.get("role") == "tool" else None
        return _asked(
            body, [_text(message.get("content")) for message in messages if message["role"] == "user"], result
        )

    @staticmethod
    def error(status: int) -> Json:
        return {"error": {"message": f"stub {status}", "type": "server_error", "code": str(status)}}

    def whole(self) -> Json:
        message: Json = {"role": "assistant", "content": self.plan.text}
        if self.plan.tool:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish}
        return {**self._head("chat.completion"), "usage": self._usage, "choices": [choice]}

    def opening(self) -> list[Json]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def delta(self, word: str) -> Json:
        return self._chunk({"content": word})

    def closing(self) -> list[Json | str]:
        calls = [self._chunk({"tool_calls": self._calls})] if self.plan.tool else []
        usage = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage}
        return [*calls, self._chunk({}, self._finish), usage, "[DONE]"]

    @property
    def _usage(self) -> Json:
        sent, written = self.tokens
        return {"prompt_tokens": sent, "completion_tokens": written, "total_tokens": sent + written}

    @property
    def _finish(self) -> str:
        return {"max_tokens": "length"}.get(self.plan.stop) or ("tool_calls" if self.plan.tool else "stop")

    @property
    def _calls(self) -> list[Json]:
        function = {"name": self.plan.tool, "arguments": json.dumps(self.plan.given)}
        return [{"index": 0, "id": f"call_{self.id}", "type": "function", "function": function}]

    def _head(self, kind: str) -> Json:
        return {"id": f"chatcmpl-{self.id}", "object": kind, "created": 1_790_000_000, "model": self.asked.model}

    def _chunk(self, delta: Json, finish: str | None = None) -> Json:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {**self._head("chat.completion.chunk"), "choices": choices}


class Responses(Dialect):
    """OpenAI's responses."""

    error = staticmethod(Chat.error)

    @staticmethod
    def read(body: Json) -> Asked:
        given = body.get("input", [])
        items: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else given
        last = items[-1] if items else {}
        output = last.get("output")
        is_result = str(last.get("type", "")).endswith("_output")
        result = (output if isinstance(output, str) else json.dumps(output)) if is_result else None
        return _asked(body, [_text(item.get("content")) for item in items if item.get("role") == "user"], result)

    def whole(self) -> Json:
        return self._response("completed", self._items)

    def opening(self) -> list[Json]:
        return [
            {"type": "response.created", "response": self._response("in_progress", [])},
            {"type": "response.output_item.added", "output_index": 0, "item": self._message("in_progress", [])},
            {"type": "response.content_part.added", **self._at, "part": _part("")},
        ]

    def delta(self, word: str) -> Json:
        return {"type": "response.output_text.delta", **self._at, "delta": word}

    def closing(self) -> list[Json | str]:
        events: list[Json | str] = [{"type": "response.output_text.done", **self._at, "text": self.plan.text}]
        for index, item in enumerate(self._items):
            if index:
                events.append({"type": "response.output_item.added", "output_index": index, "item": item})
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        return [*events, {"type": "response.completed", "response": self.whole()}]

    @property
    def _at(self) -> Json:
        return {"item_id": f"msg_{self.id}", "output_index": 0, "content_index": 0}

    @property
    def _items(self) -> list[Json]:
        call = {
            "type": "function_call",
            "id": f"fc_{self.id}",
            "status": "completed",
            "call_id": f"call_{self.id}",
            "name": self.plan.tool,
            "arguments": json.dumps(self.plan.given),
        }
        return [self._message("completed", [_part(self.plan.text)]), *([call] if self.plan.tool else [])]

    def _message(self, status: str, content: list[Json]) -> Json:
        return {"id": f"msg_{self.id}", "type": "message", "status": status, "role": "assistant", "content": content}

    def _response(self, status: str, output: list[Json]) -> Json:
        sent, written = self.tokens
        usage = {
            "input_tokens": sent,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sent + written,
        }
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": 1_790_000_000,
            "status": status,
            "model": self.asked.model,
            "output": output,
            "usage": usage if status == "completed" else None,
        }


DIALECTS: dict[str, type[Dialect]] = {
    "/v1/messages": Anthropic,
    "/v1/chat/completions": Chat,
    "/v1/responses": Responses,
}


def _asked(body: Json, texts: list[str], result: str | None) -> Asked:
    typed = list(filter(None, map(_typed, texts)))
    return Asked(
        model=body.get("model", "?"),
        stream=bool(body.get("stream")),
        text=typed[-1] if typed else "",
        turns=len(typed),
        tool_result=result,
        size=len(json.dumps(body)),
    )


def _typed(text: str) -> str:
    return _UNTYPED.sub("", text).strip()


def _text(content: Any) -> str:
    """The text in a message: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": []}
