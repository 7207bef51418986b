"""Turns what an ACP agent reports during a prompt into a bot's turn; tool calls, of which it only tells what changed,
are made whole."""

import json
from dataclasses import replace
from typing import Any

from acp import schema

from deia_tui.bot.agents.acp.tokens import Ledger, usages_of
from deia_tui.bot.agents.protocol import Turn
from deia_tui.bot.shortening import brief_call
from deia_tui.core.turns import Diff, PlanEntry, ToolCall

_REMEMBERED = 1000
"""Tool calls of a turn whose beginning is kept to complete what follows."""
_TEXT_KEPT = 4096
"""Characters of the answer that are looked at when it may be an error."""


class Updates:
    """The updates of one turn; `text` is the beginning of its answer."""

    def __init__(self, turn: Turn, ledger: Ledger, model: str) -> None:
        self.text = ""
        self.used_tools = False
        self._turn = turn
        self._ledger = ledger
        self._model = model
        self._calls: dict[str, ToolCall] = {}
        self._cost_usd = 0.0

    def take(self, update: Any) -> None:
        match update:
            case schema.AgentMessageChunk(content=content):
                self._say(text_of(content))
            case schema.AgentThoughtChunk(content=content):
                self._turn.thought(text_of(content))
            case schema.ToolCallStart() | schema.ToolCallProgress():
                self._turn.tool(self.tool_call(update))
            case schema.AgentPlanUpdate(entries=entries):
                self._turn.plan([_plan_entry(entry) for entry in entries])
            case schema.AgentPlanContentUpdate(plan=schema.PlanUpdateItems(entries=entries)):
                self._turn.plan([_plan_entry(entry) for entry in entries])
            case schema.UsageUpdate(cost=cost):
                self._cost_usd += self._ledger.added(cost)
            case _:
                pass  # commands, modes, titles: nothing of a turn

    def tool_call(self, update: schema.ToolCall | schema.ToolCallUpdate) -> ToolCall:
        """The call as it is known with this update, which only tells what changed."""
        self.used_tools = True
        call_id = update.tool_call_id
        known = self._calls.get(call_id)
        if known is None or (isinstance(update, schema.ToolCallStart) and not known.is_open):
            known = ToolCall(call_id=call_id, tool="", title="")
        call = _merged(known, update)
        if len(self._calls) >= _REMEMBERED and call_id not in self._calls:
            del self._calls[next(iter(self._calls))]
        self._calls[call_id] = call if call.is_open else brief_call(call)[0]
        return call

    def finish(self, response: schema.PromptResponse | None) -> bool:
        """Report what the turn used, as far as it is told; returns whether anything was."""
        usages = usages_of(response, self._cost_usd, self._model)
        for usage in usages:
            self._turn.usage(usage)
        return bool(usages)

    def _say(self, text: str) -> None:
        self.text += text[: _TEXT_KEPT - len(self.text)]
        self._turn.output(text.encode("utf-8", "replace"))


def text_of(content: Any) -> str:
    """A block of content as text."""
    match content:
        case schema.TextContentBlock(text=text):
            return text
        case schema.ResourceContentBlock(uri=uri):
            return f"<{uri}>"
        case schema.EmbeddedResourceContentBlock(resource=schema.TextResourceContents(text=text)):
            return text
        case _:
            return f"[{getattr(content, 'type', 'something')}]"


def as_text(value: Any) -> str:
    """What a tool was given or gave: a text as it is, everything else as JSON."""
    if value is None or value == {}:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _merged(known: ToolCall, update: schema.ToolCall | schema.ToolCallUpdate) -> ToolCall:
    changes: dict[str, Any] = {
        name: value
        for name, value in (("title", update.title), ("kind", update.kind), ("status", update.status))
        if value
    }
    if update.raw_input is not None:
        changes["input"] = as_text(update.raw_input)
    if update.raw_output is not None:
        changes["output"] = as_text(update.raw_output)
    if update.content is not None:
        diffs, output = _content(update.content)
        changes["diffs"] = diffs or known.diffs
        changes["output"] = output or changes.get("output", known.output)
    call = replace(known, **changes)
    return replace(call, tool=_tool_name(update) or call.tool or call.kind, title=call.title or call.kind)


def _tool_name(update: schema.ToolCall | schema.ToolCallUpdate) -> str:
    """ACP has a title and a kind, and no name; agents that tell it do so beside the protocol."""
    for value in (update.field_meta or {}).values():
        if isinstance(value, dict) and isinstance(name := value.get("toolName"), str):
            return name
    return ""


def _content(blocks: list[Any]) -> tuple[tuple[Diff, ...], str]:
    diffs, texts = [], []
    for block in blocks:
        match block:
            case schema.FileEditToolCallContent(path=path, old_text=old, new_text=new):
                diffs.append(Diff(path=path, old=old or "", new=new))
            case schema.ContentToolCallContent(content=content):
                texts.append(text_of(content))
    return tuple(diffs), "\n".join(texts)


def _plan_entry(entry: schema.PlanEntry) -> PlanEntry:
    return PlanEntry(content=entry.content, status=entry.status, priority=entry.priority)
