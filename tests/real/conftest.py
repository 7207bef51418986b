"""Real agent programs from a registry, and the API they talk to. `make test-agents` installs them and names the folder
they are in; without it these tests are skipped."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.llm_stub import Stub, llm_stub

PROGRAMS = "DEIA_TEST_AGENTS"
"""The variable that names the folder."""


@pytest.fixture(scope="session", autouse=True)
def programs() -> str:
    folder = os.environ.get(PROGRAMS)
    if not folder:
        pytest.skip("make test-agents runs it")
    return folder


@pytest.fixture
def stub(programs: str) -> Iterator[Stub]:
    with llm_stub() as stub:
        yield stub


@pytest.fixture
def claude_env(programs: str, stub: Stub, tmp_path: Path) -> dict[str, str]:
    """What makes it talk to nobody but the stub, with nothing of whoever runs the tests."""
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": stub.url,
        "ANTHROPIC_API_KEY": "sk-ant-dummy",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


async def kept(home: Path) -> None:
    """Claude Code keeps a conversation on disk a moment after its first answer."""
    async with asyncio.timeout(20):
        while not list(home.glob(".claude/projects/*/*.jsonl")):
            await asyncio.sleep(0.01)


def needs(program: str, programs: str) -> None:
    if shutil.which(program, path=programs) is None:
        pytest.skip(f"needs {program} in {programs}")
