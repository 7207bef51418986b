"""`python -m deia_tui.bot`: one shell bot without host and supervisor, for debugging and comparison."""

import argparse
import os
import secrets
import socket
import sys
from pathlib import Path

from deia_tui.bot.seed import Seed
from deia_tui.core.bots import AgentSpec, BotSpec
from deia_tui.core.errors import DeiaError
from deia_tui.core.ids import check_bot_id
from deia_tui.folder import Folder


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    root = Path(options.hive).resolve()
    try:
        check_bot_id(options.id)
        Folder(root).create()
        listener = socket.create_server(("127.0.0.1", options.port), backlog=128)
    except (DeiaError, OSError, OverflowError) as error:
        print(f"{options.id} cannot start: {error}", file=sys.stderr)
        return 1
    from deia_tui.bot.process import run  # slow: not before it is certain that it can start

    token = options.token or secrets.token_urlsafe(24)
    print(f"{options.id} listens on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    if not options.token:
        print(f"Authorization: Bearer {token}", flush=True)
    agent = AgentSpec(name="shell", kind="shell")
    seed = Seed(
        root=root,
        bot_id=options.id,
        run=0,  # supervised runs count from 1
        nonce=secrets.token_hex(16),
        token=token,
        spec=BotSpec(bot_id=options.id, agent=agent),
        env=dict(os.environ),
    )
    return run(seed, listener)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deia_tui.bot", description="Run one shell bot.")
    parser.add_argument("--hive", required=True, help="the folder that holds .deia/")
    parser.add_argument("--id", required=True, help="the bot's name, like BOT-001")
    parser.add_argument("--port", required=True, type=int, help="port on 127.0.0.1, 0 for any free one")
    parser.add_argument("--token", default="", help="what callers must present; made up and printed if not given")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
