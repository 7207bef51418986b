"""What must hold of the work of a hive whatever was done to it, as verdicts.py."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from .evidence import Evidence, Row
from .labourer import ORDER
from .verdicts import Finding

ENDED = ("done", "dead", "cancelled")
MAX_TRIES = 4


def acknowledged_is_a_task(found: Evidence) -> Iterator[Finding]:
    """What was taken over HTTP is a task of its id, and a file's work one task; what was refused is none."""
    by_label = _by_label(found)
    for given in found.given:
        order = given.order
        if order.way == "letter":
            continue
        tasks = by_label.get(order.label, [])
        if order.way == "door" and given.fate == "refused":
            yield Finding(f"refused: {given.answer}", message_id=order.label)
        elif order.way == "door" and [task["task_id"] for task in tasks] != [order.label]:
            yield Finding(f"{given.fate}, and is {len(tasks)} tasks", message_id=order.label)
        elif (order.way == "file" and len(tasks) != 1) or len(tasks) > 1:
            yield Finding(f"the file {order.folder}/{order.file} is {len(tasks)} tasks", message_id=order.label)


def every_task_ends(found: Evidence) -> Iterator[Finding]:
    """Done, dead with a reason, or cancelled by somebody; but for those that wait for one that was not done."""
    stuck = blocked(found.tasks)
    withdrawn = {given.order.label for given in found.given if given.withdrawn}
    for task_id, task in found.tasks.items():
        if task["state"] not in ENDED and task_id not in stuck:
            yield Finding(f"is {task['state']} ({task['held'] or task['error']})", task["bot_id"], task_id)
        elif task["state"] == "dead" and not task["error"]:
            yield Finding("is dead without a reason", task["bot_id"], task_id)
        elif task["state"] == "cancelled" and task_id not in withdrawn:
            yield Finding("is cancelled, and nobody asked for it", task["bot_id"], task_id)


def blocked(tasks: dict[str, Row]) -> frozenset[str]:
    """The tasks that wait for one that is dead or cancelled, or that waits for such a one."""
    lost = {task_id for task_id, task in tasks.items() if task["state"] in ("dead", "cancelled")}
    grown = -1
    while grown < len(lost):
        grown = len(lost)
        lost |= {task_id for task_id, task in tasks.items() if _open(task) and not lost.isdisjoint(_needs(task))}
    return frozenset(task_id for task_id in lost if _open(tasks[task_id]))


def completed_once(found: Evidence) -> Iterator[Finding]:
    """A task is done once, by the attempt it has last, and by no other."""
    done = defaultdict(list)
    for event in found.events:
        if event["type"] == "task_done":
            done[event["task_id"]].append(event["attempt"])
    for task_id, task in found.tasks.items():
        expected = [task["attempt"]] if task["state"] == "done" else []
        if done[task_id] != expected:
            what = f"is {task['state']} with attempt {task['attempt']}, done by {done[task_id]}"
            yield Finding(what, task["bot_id"], task_id)
    for task_id in done.keys() - found.tasks.keys():
        yield Finding("is done, but was never stored", message_id=task_id)


def attempts_are_whole(found: Evidence) -> Iterator[Finding]:
    """They are numbered without a gap, each has ended, at most one with success."""
    attempts = defaultdict(list)
    for attempt in found.attempts:
        attempts[attempt["task_id"]].append(attempt)
    for task_id, task in found.tasks.items():
        mine = attempts[task_id]
        numbers = [attempt["attempt"] for attempt in mine]
        if numbers != list(range(1, task["attempt"] + 1)):
            yield Finding(f"has the attempts {numbers} and is at {task['attempt']}", task["bot_id"], task_id)
        open_ones = [attempt["attempt"] for attempt in mine if not attempt["outcome"]]
        if open_ones and task["state"] in ENDED:
            yield Finding(f"its attempts {open_ones} never ended", task["bot_id"], task_id)
        outcomes = Counter(attempt["outcome"] for attempt in mine)
        if outcomes["done"] != (task["state"] == "done"):
            yield Finding(f"is {task['state']}, its attempts are {dict(outcomes)}", task["bot_id"], task_id)


def fates_are_earned(found: Evidence) -> Iterator[Finding]:
    """What was done was done, to its end; what fails or kills ends dead after its tries, nothing else before."""
    ended = Counter(note.message_id.partition("@")[0] for note in found.diary if note.what == "ends")
    kinds = {given.order.label: given.order.kind for given in found.given}
    for task in found.tasks.values():
        label = _label(task)
        kind = kinds.get(label, "good")
        if task["state"] == "done" and not ended[label]:
            yield Finding("is done, but no agent came to its end", task["bot_id"], task["task_id"])
        if task["state"] == "done" and kind in ("failing", "poison"):
            yield Finding(f"is {kind} and done", task["bot_id"], task["task_id"])
        if task["state"] == "dead" and task["tries"] < MAX_TRIES:
            what = f"is {kind} and dead after {task['tries']} tries: {task['error']}"
            yield Finding(what, task["bot_id"], task["task_id"])


def never_twice_at_a_time(found: Evidence) -> Iterator[Finding]:
    """No two agents work at one task at the same moment."""
    spans: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for note in found.diary:
        spans[note.message_id.partition("@")[0]][note.message_id].append(note.at)
    for label, turns in spans.items():
        last, one = 0.0, ""
        for first, until, turn in sorted((min(times), max(times), turn) for turn, times in turns.items()):
            if first < last:
                yield Finding(f"{one} and {turn} were on together for {last - first:.3f} s", message_id=label)
            last, one = max((last, one), (until, turn))


def needs_come_first(found: Evidence) -> Iterator[Finding]:
    done = {event["task_id"]: event["seq"] for event in found.events if event["type"] == "task_done"}
    for event in found.events:
        if event["type"] == "task_assigned":
            for need in _needs(found.tasks[event["task_id"]]):
                if done.get(need, event["seq"]) >= event["seq"]:
                    yield Finding(f"is assigned before {need} is done", event["bot_id"], event["task_id"])


def papers_are_in_one_place(found: Evidence) -> Iterator[Finding]:
    """A file is in the archive when its task has ended, among the refused with a reason, or still where it was laid."""
    tasks = _by_label(found)
    for given in found.given:
        order = given.order
        if order.way not in ("file", "strange"):
            continue
        mine = [path for path in found.papers if order.label in path and not path.endswith(".reason")]
        where = {"_archive": "archived", "_active": "active", "_refused": "refused"}
        places = [next((where[part] for part in where if part in path.split("/")), "laid") for path in mine]
        states = [task["state"] for task in tasks.get(order.label, [])]
        reason = next((text for path, text in found.papers.items() if order.label in path and ".reason" in path), "")
        match places:
            case ["archived"] if states and states[0] in ENDED:
                pass
            case ["refused"] if reason.strip() and order.way == "strange" and not states:
                pass
            case ["laid"] if order.way == "strange" and not states:
                pass
            case _:
                yield Finding(f"{mine} is {places} ({reason!r}), its task {states}", message_id=order.label)


def every_end_is_answered(found: Evidence) -> Iterator[Finding]:
    """Each task that ended has a file of its own in hive/responses, which says how."""
    uses = Counter(task["response"] for task in found.tasks.values() if task["response"])
    for task_id, task in found.tasks.items():
        name = task["response"]
        if task["state"] not in ENDED:
            continue
        if name not in found.responses:
            yield Finding(f"is {task['state']}, its response '{name}' is not there", task["bot_id"], task_id)
        elif uses[name] > 1:
            yield Finding(f"shares its response {name} with others", task["bot_id"], task_id)
        elif ("-complete" in name) != (task["state"] == "done"):
            yield Finding(f"is {task['state']}, its response is {name}", task["bot_id"], task_id)
    for name in found.responses - uses.keys():
        yield Finding(f"nobody knows the response {name}")


def letters_arrive_once(found: Evidence) -> Iterator[Finding]:
    """What was taken is stored, and read or failed with a reason; no agent is given it twice."""
    begun = Counter(note.message_id.partition("@")[0] for note in found.diary if note.what == "begins")
    for given in found.given:
        label, letter = given.order.label, found.post.get(given.order.label)
        if given.order.way != "letter":
            continue
        if letter is None or given.fate != "acknowledged":
            yield Finding(f"{given.fate} ({given.answer}), stored as {letter}", given.order.to, label)
        elif letter["state"] != "read" and not (letter["state"] == "failed" and letter["error"]):
            yield Finding(f"is {letter['state']} ({letter['error']})", given.order.to, label)
        elif begun[label] > 1:
            yield Finding(f"was given to an agent {begun[label]} times", given.order.to, label)


def _by_label(found: Evidence) -> dict[str, list[Row]]:
    tasks = defaultdict(list)
    for task in found.tasks.values():
        tasks[_label(task)].append(task)
    return tasks


def _label(task: Row) -> str:
    """The label of its order; its own id if its text holds none."""
    order = ORDER.search(task["text"])
    return order[1] if order else str(task["task_id"])


def _needs(task: Row) -> list[str]:
    return list(json.loads(task["after"]))


def _open(task: Row) -> bool:
    return task["state"] not in ENDED


OF_WORK = (
    acknowledged_is_a_task,
    every_task_ends,
    completed_once,
    attempts_are_whole,
    fates_are_earned,
    never_twice_at_a_time,
    needs_come_first,
    papers_are_in_one_place,
    every_end_is_answered,
    letters_arrive_once,
)
"""Hold once all work is done."""
