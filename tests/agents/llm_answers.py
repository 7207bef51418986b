"""What a language model that does as it is told answers. A marker in the newest message of the user chooses it:

(none)                    "stub: turn N: <the text>"
[[say:TEXT]]              TEXT
[[think:TEXT]]            TEXT as a thought, then "thought"
[[slow:SECONDS]]          forty words, one every so many seconds (0.25)
[[stop:REASON]]           three words, ended by this stop reason (`max_tokens`, `refusal`)
[[tool:NAME:{json}]]      a call of this tool; what came of it is then said: "tool result: ..."
[[fail:STATUS:TIMES]]     this HTTP error, so many times or always
[[hang]]                  the request is taken and never answered
[[stall]]                 three words, then silence
[[cut]]                   three words, then the connection is dropped
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from .llm_dialects import Asked, Plan

_MARKER = re.compile(r"\[\[(say|think|slow|stop|tool|fail|hang|stall|cut)(?::(.*?))?\]\](?!\])", re.DOTALL)


@dataclass
class Answers:
    _failed: Counter[str] = field(default_factory=Counter)

    def plan(self, asked: Asked) -> Plan:
        if asked.tool_result is not None:
            return Plan("say", f"tool result: {asked.tool_result[:300]}")
        markers = _MARKER.findall(asked.text)
        kind, value = markers[-1] if markers else ("", "")
        match kind:
            case "say":
                return Plan("say", value)
            case "think":
                return Plan("say", "thought", thought=value)
            case "slow":
                return Plan("say", "".join(f"word{n} " for n in range(40)), pause_s=float(value or 0.25))
            case "stop":
                return Plan("say", "one two three", stop=value)
            case "tool":
                name, _, given = value.partition(":")
                return Plan("say", "Using a tool. ", tool=name, given=json.loads(given or "{}"))
            case "fail":
                return self._failure(asked.text, *value.split(":"))
            case "hang" | "stall" | "cut":
                return Plan(kind, "one two three ")
            case _:
                return Plan("say", f"stub: turn {asked.turns}: {asked.text[-200:]}")

    def _failure(self, text: str, status: str, times: str = "") -> Plan:
        self._failed[text] += 1
        if times and self._failed[text] > int(times):
            return Plan("say", f"recovered after {times} x {status}")
        return Plan("fail", status=int(status))
