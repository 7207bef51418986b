"""Why a task is not being done, in words: decides which of several reasons is the one to tell."""

from collections.abc import Mapping
from itertools import islice

from deia_tui.core.bots import Activity, BotState
from deia_tui.core.holds import hold_of
from deia_tui.core.state import BotView, HiveState
from deia_tui.core.work.availability import unavailable
from deia_tui.core.work.tasks import LOW, WAITING, Task
from deia_tui.core.work.view import NO_WORK, WorkView

_NAMED = 3


def why_waiting(task: Task, state: HiveState, work: WorkView, now: float, needs: Mapping[str, str]) -> str:
    """What a task in the queue waits for at `now` (unix seconds); "" for one that does not wait, or whose turn it is.

    `needs` are the tasks it must come after and that are not done, each with how it stands.
    """
    if task.state not in WAITING:
        return ""
    if task.held:
        return f"held: {task.held}"
    if needs:
        named = ", ".join(f"{task_id} ({standing})" for task_id, standing in islice(needs.items(), _NAMED))
        return f"waits for {named}{f' and {len(needs) - _NAMED} more' if len(needs) > _NAMED else ''}"
    if task.not_before > now:
        return f"retries in {task.not_before - now:.0f} s{f': {task.error}' if task.error else ''}"
    reason = _bot_wanted(task.to, state, work, now) if task.to else _any_wanted(state, work, now)
    if not reason and task.priority >= LOW and work.strain != "healthy":
        return f"P{task.priority} waits: the hive is {work.strain}"
    return reason


def _bot_wanted(bot_id: str, state: HiveState, work: WorkView, now: float) -> str:
    bot = state.bots.get(bot_id)
    if bot is None:
        return f"there is no {bot_id}"
    if obstacle := _obstacle(bot, state, now):
        return obstacle
    return f"{bot_id} is busy" if _is_busy(bot, work) else ""


def _any_wanted(state: HiveState, work: WorkView, now: float) -> str:
    """Where no bot can take work, the reason of those that run counts more than that of those that do not."""
    if not state.bots:
        return "there is no bot"
    running = [bot for bot in state.bots.values() if bot.state is BotState.RUNNING]
    if not running:
        return "no bot runs"
    able = [bot for bot in running if not _obstacle(bot, state, now)]
    if not able:
        obstacle = _obstacle(running[0], state, now)
        return obstacle if len(running) == 1 else f"no bot can take work: {obstacle}"
    return "no bot is free" if all(_is_busy(bot, work) for bot in able) else ""


def _obstacle(bot: BotView, state: HiveState, now: float) -> str:
    """Why this bot can be given nothing, however little it has to do, and for how long where that is known."""
    why, hold = unavailable(bot, state.pauses, now), hold_of(bot, state.pauses, now)
    if hold is not None and hold.kind == "provider" and hold.until is not None and why == hold.text:
        return f"{why} · {hold.until - now:.0f} s"
    return why


def _is_busy(bot: BotView, work: WorkView) -> bool:
    given = work.bots.get(bot.bot_id, NO_WORK)
    return bool(bot.activity is not Activity.IDLE or given.running or given.ahead)
