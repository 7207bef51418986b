"""What must hold of a hive whatever was done to it. Each verdict is a function from the evidence to what breaks it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from .evidence import Evidence, Note, Stored
from .reciter import recital


class Finding(NamedTuple):
    """Something that must not be; of one bot or message, where it has to do with one."""

    what: str
    bot_id: str = ""
    message_id: str = ""


def acknowledged_is_stored(found: Evidence) -> Iterator[Finding]:
    """And what was refused is not."""
    for letter in found.letters:
        stored = found.messages.get(letter.message_id)
        if letter.fate == "acknowledged" and stored is None:
            yield Finding("acknowledged, but not stored", letter.bot_id, letter.message_id)
        elif letter.fate == "refused" and stored is not None:
            yield Finding("refused, but stored", letter.bot_id, letter.message_id)
        elif stored is not None and (stored.bot_id, stored.text) != (letter.bot_id, letter.text):
            yield Finding(f"stored as {stored.bot_id} {stored.text!r}", letter.bot_id, letter.message_id)


def every_message_ends_once(found: Evidence) -> Iterator[Finding]:
    ends = Counter(event["message_id"] for event in found.events if event["type"] == "turn_ended")
    for message in found.messages.values():
        if ends[message.message_id] != 1:
            what = f"ended {ends[message.message_id]} times, is {message.status}"
            yield Finding(what, message.bot_id, message.message_id)
    for message_id in ends.keys() - found.messages.keys():
        yield Finding("ended, but was never stored", message_id=message_id)


def handed_over_at_most_once(found: Evidence) -> Iterator[Finding]:
    begun = Counter(note.message_id for note in found.diary if note.what == "begins")
    for message_id, times in begun.items():
        if times > 1:
            yield Finding(f"handed to the agent {times} times", message_id=message_id)
        if message_id not in found.messages:
            yield Finding("handed to the agent, but not stored", message_id=message_id)


def answers_are_whole(found: Evidence) -> Iterator[Finding]:
    """An answered message has its answer, all of it, once; a cut one the beginning of it."""
    letters = {letter.message_id: letter for letter in found.letters}
    for message in found.messages.values():
        whole = recital(message.message_id, letters[message.message_id].verses)
        expected = whole if message.status == "answered" else whole[: len(message.answer)]
        for name, text in (("stored", message.answer), ("shown", message.shown)):
            if text != expected:
                yield Finding(_difference(message, name, text, expected), message.bot_id, message.message_id)


def _difference(message: Stored, name: str, text: str, expected: str) -> str:
    same = next((at for at, (one, other) in enumerate(zip(text, expected, strict=False)) if one != other), 0)
    same = same or min(len(text), len(expected))
    near = f"{text[max(0, same - 40) : same + 40]!r}, not {expected[max(0, same - 40) : same + 40]!r}"
    return f"{message.status} ({message.error}), {len(text)} of {len(expected)} characters {name}, at {same}: {near}"


def output_log_is_whole(found: Evidence) -> Iterator[Finding]:
    """Every verse that is stored stands in the bot's output log, and none stands there twice."""
    written = {bot_id: Counter(lines) for bot_id, lines in found.log_lines.items()}
    for message in found.messages.values():
        log = written.get(message.bot_id, Counter())
        stored = message.answer.splitlines() if message.answer.endswith("\n") else message.answer.splitlines()[:-1]
        missing = [line for line in stored if log[line] == 0]
        twice = [line for line in stored if log[line] > 1]
        if missing or twice:
            what = f"output log lacks {len(missing)} lines, has {len(twice)} twice: {(missing + twice)[0]!r}"
            yield Finding(what, message.bot_id, message.message_id)


def one_run_at_a_time_by_events(found: Evidence) -> Iterator[Finding]:
    """A run with a process ends, once, before the next one starts; runs are numbered without a gap."""
    for bot_id, events in found.of_bot("bot_starting", "bot_spawned", "bot_adopted", "bot_exited").items():
        run, alive = 0, False
        for event in events:
            match event["type"]:
                case "bot_starting":
                    if alive or event["run"] != run + 1:
                        yield Finding(f"run {event['run']} starts while run {run} is {_on(alive)}", bot_id)
                    run, alive = event["run"], False
                case "bot_exited":
                    if event["run"] != run:
                        yield Finding(f"run {event['run']} ends while run {run} is {_on(alive)}", bot_id)
                    alive = False
                case _:
                    if event["run"] != run:
                        yield Finding(f"run {event['run']} has a process while run {run} is {_on(alive)}", bot_id)
                    alive = True


def _on(alive: bool) -> str:
    return "on" if alive else "over"


def stop_wins(found: Evidence) -> Iterator[Finding]:
    """What a human stopped, and what was given up, starts only when a human says so."""
    for bot_id, events in found.of_bot("bot_starting", "bot_stopped", "bot_gave_up").items():
        for before, event in pairwise(events):
            if event["type"] == "bot_starting" and event["automatic"] and before["type"] != "bot_starting":
                yield Finding(f"run {event['run']} starts by itself after {before['type']}", bot_id)


def one_run_at_a_time_by_diary(found: Evidence) -> Iterator[Finding]:
    """What agents of one run wrote never overlaps with what those of another run wrote; nor that of two messages."""
    for what, key in (("runs", _run_of), ("messages", _message_of)):
        spans: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for note in found.diary:
            if note.what != "daemon":
                spans[note.bot_id][key(note)].append(note.at)
        for bot_id, by_key in spans.items():
            last, one = 0.0, ""
            for first, until, other in sorted((min(times), max(times), name) for name, times in by_key.items()):
                if first < last:
                    yield Finding(f"{what} {one} and {other} were on together for {last - first:.3f} s", bot_id)
                last, one = max((last, one), (until, other))


def _run_of(note: Note) -> str:
    return note.nonce


def _message_of(note: Note) -> str:
    return note.message_id


def store_is_sound(found: Evidence) -> Iterator[Finding]:
    yield from (Finding(f"integrity: {row}") for row in found.integrity)


def journals_are_whole(found: Evidence) -> Iterator[Finding]:
    yield from (Finding(f"torn line: {line}") for line in found.torn)
    ended = {message.message_id: message for message in found.messages.values() if message.status in _ENDED}
    if missing := sorted(ended.keys() - found.journaled):
        first = ended[missing[0]]
        what = f"the ends of {len(missing)} of {len(ended)} messages are in no activity journal, the first:"
        yield Finding(what, first.bot_id, first.message_id)


_ENDED = ("answered", "failed", "interrupted")


def nothing_broke(found: Evidence) -> Iterator[Finding]:
    yield from (Finding(complaint) for complaint in found.complaints)


def nothing_dead_is_alive(found: Evidence) -> Iterator[Finding]:
    """Once everything was shut down."""
    yield from (Finding("is listed as alive after the shutdown", bot_id) for bot_id in found.listed_alive)


Verdict = Callable[[Evidence], Iterator[Finding]]

ALWAYS: tuple[Verdict, ...] = (
    acknowledged_is_stored,
    every_message_ends_once,
    handed_over_at_most_once,
    answers_are_whole,
    output_log_is_whole,
    one_run_at_a_time_by_events,
    one_run_at_a_time_by_diary,
    stop_wins,
    store_is_sound,
    journals_are_whole,
    nothing_broke,
)
"""Hold whenever the hive is calm."""
AT_THE_END = (*ALWAYS, nothing_dead_is_alive)
