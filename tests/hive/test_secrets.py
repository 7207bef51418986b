"""What an agent is given in its environment and what it prints: of either, nothing secret is kept anywhere."""

import os
import sys

from deia_tui.core import events as ev
from deia_tui.core.commands import LaunchBots, RestartBot
from tests.hive.conftest import HiveInTest

VALUE = "plain-words-that-no-pattern-knows"
KEY = "sk-ant-api03-Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5"
AGENT = f"""
[agents.holder]
kind = "command"
argv = [{sys.executable!r}, "-c", '''
import os, sys, time
print(os.environ["GIVEN"][::-1], os.environ.get("PASSED_BY_NAME"), os.environ.get("NOT_PASSED"))
sys.stdout.write("the key is " + os.environ["API_KEY"][:15])
sys.stdout.flush()
time.sleep(0.2)
print(os.environ["API_KEY"][15:])
sys.exit("failed with " + os.environ["API_KEY"])
''']
env = {{ GIVEN = "{VALUE}", API_KEY = "{KEY}" }}
pass_env = ["PASSED_*"]
"""


def traces(lab: HiveInTest, secret: str) -> list[str]:
    """The files of the hive in which it stands, but for the one where the operator wrote it."""
    files = [path for path in lab.folder.deia.rglob("*") if path.is_file() and path != lab.folder.hive_toml]
    return [path.name for path in files if secret.encode() in path.read_bytes()]


async def test_what_an_agent_is_given_and_prints(lab: HiveInTest) -> None:
    os.environ.update(PASSED_BY_NAME="yes", NOT_PASSED="no")
    try:
        lab.configure(AGENT)
        async with lab.supervised() as hive:
            await hive.submit(LaunchBots(what="holder"))
            expected = f"{VALUE[::-1]} yes None\nthe key is [redacted]\n"
            text, turn = await lab.ask("BOT-001", "go")
            assert (text, turn.error) == (expected, "exit 1")
            logged = [entry.event for entry in await hive.events(bot_id="BOT-001")]
            assert [event.text for event in logged if isinstance(event, ev.BotLogged)] == ["failed with [redacted]"]
            await hive.submit(RestartBot(bot_id="BOT-001"))
            assert (await lab.ask("BOT-001", "go"))[0] == expected
            assert traces(lab, VALUE) == traces(lab, KEY) == traces(lab, KEY[15:]) == []
        assert traces(lab, VALUE) == traces(lab, KEY[15:]) == []
    finally:
        del os.environ["PASSED_BY_NAME"], os.environ["NOT_PASSED"]
