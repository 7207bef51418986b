"""Names of bots and tasks: which are allowed; and which bots come next."""

import re
from collections.abc import Collection, Iterator

from deia_tui.core.errors import CommandRejected

MAX_BOTS = 999
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_TASK_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def is_bot_id(text: str) -> bool:
    return _RULE.fullmatch(text) is not None


def is_task_id(text: str) -> bool:
    return _TASK_RULE.fullmatch(text) is not None


def check_bot_id(text: str) -> str:
    """Return `text` when it may name a bot; raise CommandRejected (400) otherwise."""
    if not is_bot_id(text):
        raise CommandRejected(
            f"'{text[:40]}' cannot name a bot: use 1 to 32 letters, digits, '-' or '_', "
            "starting with a letter or digit.",
            status=400,
        )
    return text


def next_bot_ids(taken: Collection[str], count: int) -> list[str]:
    """The `count` lowest ids BOT-001 … BOT-999 not in `taken`; raise CommandRejected when there are fewer."""
    found = [bot_id for bot_id, _ in zip(_free(taken), range(count), strict=False)]
    if len(found) < count:
        raise CommandRejected(
            f"Only {len(found)} of {count} bots fit: a hive holds at most {MAX_BOTS} numbered bots.",
            status=409,
        )
    return found


def _free(taken: Collection[str]) -> Iterator[str]:
    for number in range(1, MAX_BOTS + 1):
        bot_id = f"BOT-{number:03d}"
        if bot_id not in taken:
            yield bot_id
