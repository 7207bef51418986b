"""What a shell asks leave for, who answers, and what becomes of the line."""

import json
from typing import Any

import pytest

from deia_tui.core.bots import AgentSpec
from deia_tui.core.frames import Frame
from deia_tui.core.turns import PermissionPolicy

from .conftest import Bot, Events, Launch, text_of


def shell(policy: PermissionPolicy | None = None, *, approval_timeout_s: float = 60.0) -> AgentSpec:
    return AgentSpec(
        name="shell",
        kind="shell",
        permissions=policy or PermissionPolicy(),
        approval_timeout_s=approval_timeout_s,
    )


async def ask(bot: Bot, events: Events, line: str) -> tuple[str, dict[str, Any]]:
    """The message and the request that it leads to."""
    sent = await bot.send(line)
    asked = (await events.until("asked"))[-1]
    return sent["message_id"], asked["request"]


async def reply(bot: Bot, request: dict[str, Any], outcome: str, note: str = "") -> int:
    path = f"/permissions/{request['request_id']}"
    return (await bot.http.post(path, json={"outcome": outcome, "by": "me", "note": note})).status_code


def of(frames: list[Frame], kind: str) -> list[Frame]:
    return [frame for frame in frames if frame["type"] == kind]


async def test_a_line_that_needs_a_shell_runs_once_it_is_allowed(bot: Bot) -> None:
    async with bot.events() as events:
        message_id, request = await ask(bot, events, "echo one; echo two | tr a-z A-Z")
        assert (request["tool"], request["title"]) == ("shell", "echo one; echo two | tr a-z A-Z (';' needs a shell)")
        assert request["input"] == "echo one; echo two | tr a-z A-Z"
        assert [option["kind"] for option in request["options"]] == ["allow_once", "allow_always", "reject_once"]
        assert (await bot.status())["activity"] == "asking"
        assert await reply(bot, request, "reject_always") == 422
        assert await reply(bot, request, "allow_once") == 200
        frames = await events.turn(message_id)
        assert await reply(bot, request, "allow_once") == 404
    assert text_of(frames) == "one\nTWO\n"
    assert frames[-1]["status"] == "answered"
    answered = of(frames, "answered")[0]
    assert (answered["outcome"], answered["by"], answered["grant"]) == ("allow_once", "me", "")


async def test_a_denied_line_is_not_run(bot: Bot) -> None:
    async with bot.events() as events:
        message_id, request = await ask(bot, events, "touch made; rm -rf made")
        await reply(bot, request, "reject_once", "not on my machine")
        end = (await events.turn(message_id))[-1]
    assert (end["status"], end["failure"]) == ("failed", "request")
    assert end["error"] == "not run: denied (';' needs a shell): not on my machine"
    assert text_of(await bot.answer("ls")) == ""


async def test_always_is_remembered_and_told(bot: Bot) -> None:
    async with bot.events() as events:
        message_id, request = await ask(bot, events, "echo a | cat")
        await reply(bot, request, "allow_always")
        frames = await events.turn(message_id)
        assert of(frames, "answered")[0]["grant"] == "shell(echo a | cat)"
        again = await bot.send("echo a | cat")
        frames = await events.turn(again["message_id"])
    assert text_of(frames) == "a\n"
    assert [frame["type"] for frame in frames][2:4] == ["asked", "answered"]
    answered = of(frames, "answered")[0]
    assert (answered["by"], answered["outcome"]) == ("policy", "allow_once")
    assert answered["note"] == "allow = shell(echo a | cat)"


@pytest.mark.parametrize(
    ("policy", "line", "status", "why"),
    [
        (PermissionPolicy(default="allow"), "echo a | cat", "answered", "default = allow"),
        (PermissionPolicy(allow=("shell",)), "echo a | cat", "answered", "allow = shell"),
        (PermissionPolicy(default="deny"), "echo a | cat", "failed", "default = deny"),
        (
            PermissionPolicy(default="allow", deny=("shell(curl *)",)),
            "echo a; curl x",
            "failed",
            "deny = shell(curl *)",
        ),
    ],
)
async def test_the_policy_answers_before_anybody_is_asked(
    launch: Launch, policy: PermissionPolicy, line: str, status: str, why: str
) -> None:
    bot = await launch(shell(policy))
    frames = await bot.answer(line)
    assert frames[-1]["status"] == status
    asked, answered = of(frames, "asked")[0], of(frames, "answered")[0]
    assert asked["request"]["request_id"] == answered["request_id"]
    assert (answered["by"], answered["note"]) == ("policy", why)
    if status == "failed":
        assert f"Not allowed to this bot: {why}." in frames[-1]["error"]


async def test_nobody_answers(launch: Launch) -> None:
    bot = await launch(shell(approval_timeout_s=0.2))
    frames = await bot.answer("echo a | cat")
    assert frames[-1]["error"] == "not run: denied ('|' needs a shell): Nobody answered within 0.2 s."
    assert of(frames, "answered")[0]["outcome"] == "expired"
    assert text_of(await bot.answer("echo free")) == "free\n"


async def test_an_interrupt_withdraws_the_question(bot: Bot) -> None:
    async with bot.events() as events:
        message_id, request = await ask(bot, events, "echo a | cat")
        await bot.http.post("/interrupt")
        frames = await events.turn(message_id)
    assert frames[-1]["status"] == "interrupted"
    assert of(frames, "answered")[0]["outcome"] == "cancelled"
    assert await reply(bot, request, "allow_once") == 404


async def test_what_is_shown_is_short_and_holds_no_secret(bot: Bot) -> None:
    line = f"curl -H 'Authorization: Bearer abcdefghijklmnop' x | cat; echo {'x' * 10_000} end"
    async with bot.events() as events:
        message_id, request = await ask(bot, events, line)
        await reply(bot, request, "reject_once")
        await events.turn(message_id)
    assert len(request["input"]) <= 4096
    assert "abcdefghijklmnop" not in json.dumps(request)
    assert "more characters are in the output log only" in request["input"]
    assert request["input"].endswith("x end")
    assert f"{'x' * 10_000} end" in bot.log()
    assert "abcdefghijklmnop" not in bot.log()
