"""`make coverage`: branch coverage of the whole suite, in every process that is started or forked and not killed.

    python -m tests.covering [arguments for pytest]

A line in site-packages begins it, since a host passes on little of its environment.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN = Path(sysconfig.get_path("purelib")) / "a0_deia_coverage.pth"
"""Read before coverage's own, which looks for these variables."""
_LINE = """import os; os.path.exists('/proc/{pid}') and os.environ.update(
COVERAGE_PROCESS_START={settings!r}, COVERAGE_FILE={data!r})""".replace("\n", " ")
"""It says nothing any more once this program is gone."""


def main() -> int:
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    data, settings = str(ROOT / ".coverage"), str(ROOT / "pyproject.toml")
    BEGIN.write_text(_LINE.format(pid=os.getpid(), settings=settings, data=data) + "\n")
    try:
        tests = subprocess.run([sys.executable, "-m", "pytest", "-q", *sys.argv[1:]], cwd=ROOT, check=False)
    finally:
        BEGIN.unlink()
    _coverage("combine", "--quiet")
    _coverage("report", "--skip-covered", "--skip-empty", "--sort=cover")
    _coverage("report", "--include=deia_tui/core/*", "--skip-covered", "--skip-empty")
    return tests.returncode


def _coverage(*arguments: str) -> None:
    env = {**os.environ, "COVERAGE_FILE": str(ROOT / ".coverage")}
    subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, env=env, check=False)


if __name__ == "__main__":
    sys.exit(main())
