"""Tells whether this program is run by the agent of a bot, which may do less than a human: see core/passes.py."""

import os

from deia_tui.folder import Folder


def inside_bot(folder: Folder) -> str:
    """The id of the bot of this hive whose agent runs us, or ""."""
    ours = os.environ.get("DEIA_HIVE") == str(folder.root) and bool(os.environ.get("DEIA_TOKEN"))
    return os.environ.get("DEIA_BOT_ID", "A bot") if ours else ""


def bearer(folder: Folder) -> dict[str, str]:
    """What a request to the hive says of who asks."""
    return {"Authorization": f"Bearer {os.environ['DEIA_TOKEN']}"} if inside_bot(folder) else {}
