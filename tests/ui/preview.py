"""The console on a scripted hive with moving data, to look at: `python -m tests.ui.preview --bots 60`."""

import argparse
import asyncio
import random
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from textual.pilot import Pilot

from deia_tui.core import events as ev
from deia_tui.core.bots import Activity, AgentSpec, BotState, ExitRecord
from deia_tui.core.breaker import Phase
from deia_tui.core.state import HISTORY_S, Series, Telemetry
from deia_tui.core.turns import Diff, PlanEntry, ToolCall, Usage
from deia_tui.core.work.tasks import Candidate, TaskType
from deia_tui.ui.app import ConsoleApp, ConsoleOptions
from tests.ui.scripted import ScriptedHive

AGENTS = ("shell", "claude", "codex", "worker", "gemini")
VERBS = ("fix", "review", "document", "plan", "measure")
THINGS = ("the flaky login test", "the export to CSV", "the audit log", "the search", "retention of logs", "the parser")
LETTERS = (
    "The parser is done: take branch parse-2.",
    "Which clock do the tests use?\nI would pass it in.",
    "Please review tests/login before the release.",
    "Wall time. I change it now.",
)
ANSWER = """Three tests fail since `a41f9c`: the clock is *wall time*, not monotonic.
I would pass the clock in and sort by sequence.

1. **test_login_retry** clock is wall time, see [the docs](https://docs.python.org/3/library/time.html)
2. **test_session_expiry** same cause
   - and rows share one timestamp

```python
def now(clock: Clock) -> float:
    return clock.monotonic()
```

| test | before | after |
|---|---|---|
| retry | fails | passes |
| expiry | fails | passes |

漢字 and 🐝 are two cells wide; the line after them must still be straight.
"""


class Life:
    """Plays the bots: most are idle, some work, a few are in trouble."""

    def __init__(self, hive: ScriptedHive, bots: int, *, chatty: bool) -> None:
        self.hive = hive
        self.chatty = chatty
        self.random = random.Random(7)
        self.names = [f"BOT-{number:03d}" for number in range(1, bots + 1)]
        self.loads = dict.fromkeys(self.names, 0.0)
        self.series = {name: Series() for name in self.names}
        self.working: dict[str, str] = {}
        self.taken = 0

    def begin(self) -> None:
        for place, name in enumerate(self.names):
            agent = AgentSpec(name=AGENTS[place % len(AGENTS)], kind="acp", provider=AGENTS[place % len(AGENTS)])
            self.hive.run(name, agent=agent)
            if place % 3 == 0:
                self.work(name)
        for name in self.names[3::11]:
            self.act(name, ends=True)
            self.act(name, ends=False)
        for name in self.names[7::23]:
            self.crash(name, for_good=True)
        for name in self.names[1::29]:
            self.crash(name, for_good=False)
        for name in self.names[4::31]:
            self.trip(name)
        self.tasks()
        self.letters()
        for _ in range(60):
            self.sample()

    def tasks(self) -> None:
        """Work in every state there is."""
        hive, idle = self.hive, [name for name in self.names if self.hive.bot(name).activity is Activity.IDLE]
        able = [name for name in idle if hive.bot(name).state is BotState.RUNNING]
        now = time.time()
        for number in range(240):
            kind = self.random.choice(list(TaskType))
            title = f"{self.random.choice(VERBS)} {self.random.choice(THINGS)}"
            text = f"{title}\n\nThe test *fails* since `a41f9c`.\nLook at the clock first."
            of = {"priority": self.random.choice((0, 1, 2, 2, 2, 3)), "task_type": kind, "at": now - 2000 + 6 * number}
            hive.queue(f"T-{100 + number}", title, text, **of)
        tasks = iter(range(100, 340))
        for name in able[:6]:
            for how in ("done", "retry", "dead", "done"):
                self.try_task(f"T-{next(tasks)}", name, how)
        for name in able[:5]:
            self.hive.assign(f"T-{next(tasks)}", name, reasons=("best at code: 92 % done", "idle for 40 s"))
            message_id = hive.bot(name).message_id or ""
            of = {"bot_id": name, "run": hive.bot(name).run, "message_id": message_id, "source_seq": 9}
            steps = [
                PlanEntry(content="look", status="completed"),
                PlanEntry(content="mend"),
                PlanEntry(content="test"),
            ]
            hive.record(ev.PlanChanged(at=now, **of, entries=tuple(steps)))
            hive.answer(name, message_id, ANSWER)
        hive.assign(f"T-{next(tasks)}", able[0], starts=False)
        held, later, first = (f"T-{next(tasks)}" for _ in range(3))
        hive.record(ev.TaskChanged(at=now, task_id=held, by="human", held="by hand"))
        hive.record(ev.TaskCancelled(at=now, task_id=f"T-{next(tasks)}", by="human"))
        hive.queue("T-400", "release it", "Release.", after=(first, later), priority=0)
        hive.queue("T-401", "tidy up", "Tidy.", to=self.names[7 % len(self.names)], priority=0)
        hive.choice = (Candidate(able[0], 0.91), Candidate(able[1], 0.74))
        hive.reasons = ("best at code: 92 % of 31 done", "idle for 40 s")

    def try_task(self, task_id: str, name: str, how: Literal["done", "retry", "dead"]) -> None:
        message_id = self.hive.assign(task_id, name, reasons=("explores: 2 samples",))
        self.hive.answer(name, message_id, ANSWER)
        self.hive.end_task(task_id, how, error="" if how == "done" else "exit status 1: no space left on device")

    def letters(self) -> None:
        hive, now = self.hive, time.time()
        for number in range(40):
            pair = self.random.sample(self.names[:9], 2)
            letter_id = hive.letter(pair[0], pair[1], self.random.choice(LETTERS), at=now - 4000 + 100 * number)
            of: dict[str, Any] = {"at": now - 3900 + 100 * number, "letter_id": letter_id, "priority": 2}
            of |= {"from_bot": pair[0], "to_bot": pair[1]}
            match self.random.randrange(6) if number < 36 else 5:
                case 0 | 1 | 2:
                    hive.record(ev.LetterRead(**of))
                case 3:
                    handed = ev.LetterHanded(**of, attempt=1, message_id="m")
                    hive.record(handed, ev.LetterDelivered(**of, attempt=1))
                case 4:
                    hive.record(ev.LetterFailed(**of, reason="the bot refused it four times"))

    def work(self, name: str) -> None:
        number = self.random.randrange(100, 200)
        message_id = self.hive.ask(name, f"T-{number} fix flaky login test", sender="human")
        self.working[name] = message_id
        self.hive.answer(name, message_id, ANSWER)

    def act(self, name: str, *, ends: bool) -> None:
        """A turn with everything in it; one that does not end waits for leave."""
        now, message_id, run = time.time(), self.hive.ask(name, "fix the flaky login test"), self.hive.bot(name).run
        of: dict[str, Any] = {"at": now, "bot_id": name, "run": run, "message_id": message_id, "source_seq": 5}
        diff = Diff(path="tests/login/test_retry.py", old="import time\nnow = time.time()\n", new="now = clock.now()\n")
        self.hive.record(
            ev.ThoughtAdded(**of, text="The clock is wall time.\nIt should be monotonic.\nLet me look at the tests."),
            ev.PlanChanged(
                **of,
                entries=(
                    PlanEntry(content="look at the failing tests", status="completed"),
                    PlanEntry(content="pass the clock in", status="in_progress"),
                    PlanEntry(content="sort by sequence"),
                ),
            ),
            ev.OutputAdded(**of, text="I look at the tests first.\n"),
            *(ev.ToolCallChanged(**of, call=call) for call in calls(diff, ends=ends)),
        )
        if not ends:
            self.hive.wants(name, message_id, "rm -r build/", input="rm -r build/\n\ncwd: /home/ann/src/site")
            return
        usage = Usage(model="sonnet", input_tokens=1234, output_tokens=567, cache_read_tokens=20_000)
        self.hive.record(ev.OutputAdded(**of, text=ANSWER), ev.UsageReported(**of, usage=usage, cost_usd=0.0123))
        self.hive.finish(name, message_id)

    def crash(self, name: str, *, for_good: bool) -> None:
        now, run = time.time(), self.hive.bot(name).run
        self.working.pop(name, None)
        exit_record = ExitRecord(at=now, signal=None if for_good else "SIGSEGV", code=1 if for_good else None)
        self.hive.record(ev.BotExited(at=now, bot_id=name, run=run, exit=exit_record))
        if for_good:
            self.hive.record(ev.BotGaveUp(at=now, bot_id=name, reason="6 exits in 600 s, last: exit 1"))
            self.hive.alert(name, "fatal: 6 exits in 600 s, last: exit 1", level="critical", action="r recovers it")
        else:
            self.hive.record(
                ev.BotBackingOff(
                    at=now, bot_id=name, delay_s=40, due_at=now + 40, attempt=3, max_restarts=5, reason="SIGSEGV"
                )
            )
            self.hive.alert(name, "crashed (SIGSEGV), restart 3/5")

    def trip(self, name: str) -> None:
        now = time.time()
        self.hive.record(
            ev.BreakerChanged(
                at=now,
                bot_id=name,
                from_phase=Phase.CLOSED,
                to_phase=Phase.OPEN,
                reason="5 failures in a row",
                retry_at=now + 30,
                failure_rate=1.0,
                success_rate=0.0,
                consecutive_failures=5,
            )
        )

    def sample(self) -> None:
        self.taken += 1
        for name in self.names:
            bot = self.hive.bot(name)
            if bot.state is not BotState.RUNNING:
                self.series[name] = Series()
                continue
            target = self.random.choice((15, 35, 60, 95)) if bot.activity is Activity.BUSY else 0
            self.loads[name] += (target - self.loads[name]) * 0.3
            old = self.series[name]
            memory = 30 + 400 * (hash(name) % 97) / 97 + self.taken % 50
            self.series[name] = Series(
                cpu=(*old.cpu, round(self.loads[name], 1))[-HISTORY_S:], memory_mb=(*old.memory_mb, memory)[-HISTORY_S:]
            )
        bots = MappingProxyType(dict(self.series))
        self.hive.measure(Telemetry(taken=self.taken, bots=bots, cpu_percent=34, memory_percent=41))

    def go_on(self) -> None:
        """A second passes."""
        self.sample()
        for name, message_id in list(self.working.items()):
            if self.chatty:
                self.hive.answer(name, message_id, f"step {self.taken}: looking at tests/login/test_retry.py\n")
        if self.taken % 7 == 0 and self.working:
            name = next(iter(self.working))
            self.hive.finish(name, self.working.pop(name))
            self.work(name)


def calls(diff: Diff, *, ends: bool) -> list[ToolCall]:
    return [
        ToolCall(
            call_id="1",
            tool="Bash",
            title="pytest -x tests/login",
            kind="execute",
            status="failed",
            input="pytest -x tests/login",
            output="E   assert 1.5 == 1.2\n1 failed, 3 passed in 0.12s",
            duration_s=1.24,
        ),
        ToolCall(
            call_id="2",
            tool="Edit",
            title="tests/login/test_retry.py",
            kind="edit",
            status="completed",
            diffs=(diff,),
            duration_s=0.03,
        ),
        ToolCall(
            call_id="3",
            tool="Bash",
            title="rm -r build/",
            kind="execute",
            status="completed" if ends else "pending",
            input="rm -r build/",
            duration_s=0.2 if ends else None,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bots", type=int, default=60)
    parser.add_argument("--theme", default="tokyo-night")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--remote", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="working bots print nothing")
    parser.add_argument("--screenshot", type=Path, help="save an SVG of --size after --keys, and leave")
    parser.add_argument("--size", default="190x46")
    parser.add_argument("--keys", default="", help="names of keys to press before the screenshot")
    options = parser.parse_args()
    hive = ScriptedHive(auto=True, opened=False)
    life = Life(hive, options.bots, chatty=not options.quiet)
    done = threading.Event()

    def live() -> None:
        hive.open()
        life.begin()
        while not done.wait(1.0):
            life.go_on()

    player = threading.Thread(target=live, daemon=True)
    app = ConsoleApp(
        hive,
        options=ConsoleOptions(
            theme=options.theme, ascii=options.ascii, read_only=options.read_only, remote=options.remote
        ),
        on_shown=player.start,
    )

    async def photograph(pilot: Pilot[object]) -> None:
        await asyncio.sleep(2)
        for key in options.keys.split():
            await pilot.press(key)
            await asyncio.sleep(0.3)
        await asyncio.sleep(1)
        app.save_screenshot(str(options.screenshot))
        app.exit()

    columns, _, lines = options.size.partition("x")
    shot = options.screenshot is not None
    size = (int(columns), int(lines)) if shot else None
    left = app.run(headless=shot, size=size, auto_pilot=photograph if shot else None)
    done.set()
    print(left)


if __name__ == "__main__":
    main()
