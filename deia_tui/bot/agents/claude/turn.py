"""What Claude Code's stream of JSON means for a turn: its text, thoughts, tools, plan, tokens, and how it ended.

Seen with version 2.1.197: an error of the API ends a turn with `subtype` "success", so only `is_error` counts; a broken
stream is asked for again as a whole, which comes as one `assistant` message without `stream_event`s; what is used by
helpers of its own (subagents) is in the sums of the result only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deia_tui.bot.agents.claude.tools import Plan, diffs_of, kind_of, result_text, text_of, title_of
from deia_tui.bot.agents.claude.usage import TurnLedger, usage_of
from deia_tui.bot.agents.protocol import Turn, TurnResult
from deia_tui.core.turns import Failure, StopReason, ToolCall, ToolStatus, Usage

Json = Mapping[str, Any]

_SYNTHETIC = "<synthetic>"
"""The model of messages that Claude Code wrote itself; what they say is in the result as well."""
_AGAIN = "The stream of the answer broke off; Claude Code asked for it again."
_STOPS: dict[str, StopReason] = {"end_turn": "end_turn", "max_tokens": "max_tokens", "refusal": "refusal"}


@dataclass(slots=True)
class _Message:
    """A message of the model that is being streamed."""

    id: str
    usage: Usage


@dataclass(slots=True)
class Reading:
    """One turn. `is_hopeless`: Claude Code tries again and again what a human must mend first."""

    turn: Turn
    folder: Path
    plan: Plan
    ledger: TurnLedger
    is_hopeless: bool = False
    _message: _Message | None = None
    _streamed: set[str] = field(default_factory=set)
    _is_whole: bool = True
    _wrote: str = ""
    _calls: dict[str, tuple[ToolCall, Json]] = field(default_factory=dict)
    _refused_with: int | None = None
    _retry_after_s: float | None = None

    def take(self, line: Json) -> TurnResult | None:
        """One line of the stream; returns how the turn ended, with the line that says so."""
        is_own = line.get("parent_tool_use_id") is None
        match line:
            case {"type": "stream_event", "event": dict() as event} if is_own:
                self._event(event)
            case {"type": "assistant", "message": {"content": list() as content} as message}:
                self._whole_message(message, content, is_own=is_own)
            case {"type": "user", "message": {"content": list() as content}}:
                for block in content:
                    self._tool_result(block, line.get("tool_use_result"))
            case {"type": "system", "subtype": "api_retry"}:
                self._retry(line)
            case {"type": "result"}:
                self._end_message()
                self.ledger.close(line.get("modelUsage"))
                return self._result(line)
        return None

    # What the model writes

    def _event(self, event: Json) -> None:
        match event:
            case {"type": "message_start", "message": {"id": str() as id, "model": str() as model} as message}:
                self._end_message()
                self._message = _Message(id, usage_of(model, message.get("usage")))
                self._streamed.add(id)
                self._is_whole = False
                self._refused_with = None
            case {"type": "content_block_start", "content_block": {"type": "text"}}:
                self._begin_text()
            case {"type": "content_block_start", "content_block": {"type": "tool_use", "id": id, "name": name}}:
                self._show(ToolCall(call_id=str(id), tool=str(name), title=str(name), kind=kind_of(str(name))), {})
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str() as text}}:
                self._write(text)
            case {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": str() as thought}}:
                self.turn.thought(thought)
            case {"type": "message_delta", "usage": dict() as usage} if self._message:
                self._message.usage = usage_of(self._message.usage.model, usage, self._message.usage)
            case {"type": "message_stop"}:
                self._is_whole = True
                self._end_message()

    def _whole_message(self, message: Json, content: list[Any], *, is_own: bool) -> None:
        """All or, while it is streamed, some blocks of a message."""
        is_news = is_own and message.get("model") != _SYNTHETIC and message.get("id") not in self._streamed
        if is_news:
            if not self._is_whole:
                self.turn.remark(_AGAIN)
            self._end_message()
            self._is_whole = message.get("stop_reason") is not None
            self.ledger.add(usage_of(str(message.get("model", "")), message.get("usage")))
        for block in content:
            match block:
                case {"type": "text", "text": str() as text} if is_news:
                    self._begin_text()
                    self._write(text)
                case {"type": "tool_use", "id": str() as id, "name": str() as name, "input": dict() as given}:
                    self._call(id, name, given)

    def _begin_text(self) -> None:
        """Texts that are told apart by the program are also by whoever reads them."""
        if self._wrote:
            self._write("\n" if self._wrote.endswith("\n") else "\n\n")

    def _write(self, text: str) -> None:
        if text:
            self._wrote = text
            self.turn.output(text.encode("utf-8", "replace"))

    # Tools

    def _call(self, id: str, name: str, given: Json) -> None:
        call = ToolCall(
            call_id=id,
            tool=name,
            title=title_of(name, given, self.folder),
            kind=kind_of(name),
            status="in_progress",
            input=text_of(given),
            diffs=diffs_of(name, given),
        )
        self._show(call, given)

    def _tool_result(self, block: Any, found: Any) -> None:
        match block:
            case {"type": "tool_result", "tool_use_id": str() as id} if id in self._calls:
                call, given = self._calls[id]
            case _:
                return
        if self.plan.take(call.tool, given, found):
            self.turn.plan(self.plan.entries)
        before = found.get("originalFile") if isinstance(found, dict) else None
        diffs = diffs_of(call.tool, given, before) if isinstance(before, str) else call.diffs
        status: ToolStatus = "failed" if block.get("is_error") else "completed"
        self._show(replace(call, status=status, output=result_text(block.get("content")), diffs=diffs), given)

    def _show(self, call: ToolCall, given: Json) -> None:
        self._calls[call.call_id] = call, given
        if call.tool not in Plan.TOOLS:
            self.turn.tool(call)

    # Trouble

    def _retry(self, line: Json) -> None:
        status, delay_ms, attempt = line.get("error_status"), line.get("retry_delay_ms"), line.get("attempt")
        what = f"{status} {line.get('error')}" if status else "no connection to the API"
        if isinstance(delay_ms, int | float):
            self._retry_after_s = delay_ms / 1000
            what += f", tries again in {self._retry_after_s:.1f} s"
        self._refused_with = status if isinstance(status, int) else None
        self.turn.degraded(f"{what} ({attempt} of {line.get('max_retries')})")
        self.is_hopeless = status in (401, 403) and isinstance(attempt, int) and attempt > 1

    def _end_message(self) -> None:
        if self._message:
            self.ledger.add(self._message.usage)
            self._message = None

    # The end

    def _result(self, line: Json) -> TurnResult:
        stop = _STOPS.get(str(line.get("stop_reason")), "")
        if str(line.get("terminal_reason")).startswith("aborted"):
            if self.is_hopeless:
                return _failed("The API accepts neither key nor login: log in again.", Failure.AUTHENTICATION)
            return TurnResult(status="interrupted", error="interrupted", stop_reason="cancelled")
        said = line.get("result")
        text = said if isinstance(said, str) else ""
        if line.get("is_error") or str(line.get("subtype", "")).startswith("error"):
            return self._failure(line, text, stop)
        if not self._is_whole:
            return _failed("The answer broke off before its end.", Failure.OUTAGE)
        if not self._wrote:
            self._write(text)
        return TurnResult(status="answered", stop_reason=stop)

    def _failure(self, line: Json, text: str, stop: StopReason) -> TurnResult:
        errors = line.get("errors")
        subtype = str(line.get("subtype"))
        sentence = text or (str(errors[0]) if isinstance(errors, list) and errors else subtype)
        failure = _classify(line.get("api_error_status") or self._refused_with, subtype, stop, text)
        result = _failed(sentence, failure, stop_reason="max_turn_requests" if subtype == "error_max_turns" else stop)
        return replace(result, retry_after_s=self._retry_after_s) if failure is Failure.OVERLOAD else result


def _classify(status: Any, subtype: str, stop: StopReason, text: str) -> Failure:
    text = text.lower()
    match status:
        case _ if subtype == "error_max_budget_usd" or status == 402 or "credit balance" in text:
            return Failure.BUDGET
        case 401 | 403:
            return Failure.AUTHENTICATION
        case 429 | 529:
            return Failure.OVERLOAD
        case int() if status >= 500:
            return Failure.OUTAGE
        case int():
            return Failure.REQUEST
        case _ if "/login" in text:
            return Failure.AUTHENTICATION
        case _ if stop in ("refusal", "max_tokens") or subtype == "error_max_turns":
            return Failure.REQUEST
        case _:
            return Failure.OUTAGE if "api error" in text else Failure.ERROR


def _failed(sentence: str, failure: Failure, *, stop_reason: StopReason = "") -> TurnResult:
    return TurnResult(status="failed", error=sentence, failure=failure, stop_reason=stop_reason)
