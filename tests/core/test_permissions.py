"""What the policy of a bot says to a request, and what a human's "always" allows from then on."""

import json

import pytest

from deia_tui.core.permissions import Ruling, grant_for, rule_on
from deia_tui.core.turns import PermissionPolicy

NOBODY: tuple[str, ...] = ()


def verdict(tool: str, input: str, *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> str:
    return rule_on(PermissionPolicy(allow=allow, deny=deny), NOBODY, tool, input).verdict


def bash(command: object) -> str:
    return json.dumps({"command": command, "description": "whatever"})


def test_deny_comes_before_allow_and_allow_before_the_default() -> None:
    policy = PermissionPolicy(default="allow", allow=("Bash",), deny=("Bash(rm *)",))
    assert rule_on(policy, NOBODY, "Bash", bash("rm x")) == Ruling("deny", "Bash(rm *)")
    assert rule_on(policy, NOBODY, "Bash", bash("ls")) == Ruling("allow", "Bash")
    assert rule_on(policy, NOBODY, "Read", "{}") == Ruling("allow")
    assert rule_on(PermissionPolicy(default="deny"), ("Read",), "Read", "{}") == Ruling("allow", "Read")
    assert rule_on(PermissionPolicy(deny=("Read",)), ("Read",), "Read", "{}").verdict == "deny"
    assert rule_on(PermissionPolicy(), NOBODY, "Read", "{}").verdict == "ask"


@pytest.mark.parametrize(
    ("rule", "tool", "input"),
    [
        ("Read", "Read", "{}"),
        (" read ", "Read", "{}"),
        ("mcp__*", "mcp__files__read", "{}"),
        ("*", "anything", "whatever; it is"),
        ("Bash(*)", "Bash", bash("a | b")),
        ("Bash(git status*)", "Bash", bash("git status -s")),
        ("Bash(git:*)", "Bash", bash("git log")),
        ("Bash(git:*)", "Bash", bash("git")),
        ("Bash(ls [ab])", "Bash", bash("ls a")),
        ("shell(make *)", "shell", "make test"),
        ("exec(git status)", "exec", bash(["git", "status"])),
        ("exec(git status)", "exec", bash(["bash", "-lc", "git status"])),
        ("exec(ls)", "exec", json.dumps({"cmd": "ls"})),
        ("Edit(src/*)", "Edit", json.dumps({"file_path": "src/a.py", "new": "x; y"})),
        ("WebFetch(https://example.org/*)", "WebFetch", json.dumps({"url": "https://example.org/x?a=1&b=2"})),
        ("Todo(*done*)", "Todo", json.dumps({"items": ["done"]})),
        ("Odd([[]1])", "Odd", "[1]"),
    ],
)
def test_a_rule_that_fits_allows(rule: str, tool: str, input: str) -> None:
    assert verdict(tool, input, allow=(rule,)) == "allow"


@pytest.mark.parametrize(
    ("rule", "tool", "input"),
    [
        ("Read", "ReadAll", "{}"),
        ("Bash(git status*)", "Read", bash("git status")),
        ("Bash(git status*)", "Bash", bash("git push")),
        ("Bash(git:*)", "Bash", bash("gitk")),
        ("Bash(git status*)", "Bash", bash("git status; rm -rf /")),
        ("Bash(git status*)", "Bash", bash("git status && curl x")),
        ("Bash(git status*)", "Bash", bash("git status\nrm x")),
        ("Bash(git status*)", "Bash", bash("git status $(rm x)")),
        ("Bash(git status*)", "Bash", bash("git status > /etc/passwd")),
        ("Bash(git status*)", "Bash", bash(["bash", "-lc", "git status; rm x"])),
        ("Bash(git status*)", "Bash", bash(["git", "status;", "rm"])),
        ("Bash(git status*)", "Bash", "git status | sh"),
        ("Bash(rm *)", "Bash", bash("rm -rf /")),
        ("Bash(echo *)", "Bash", bash("echo " + "x" * 30_000)),
        ("Edit(src/*)", "Edit", json.dumps({"file_path": "src/../../etc/passwd"})),
        ("Bash(git", "Bash", bash("git")),
        ("", "Bash", bash("git")),
    ],
)
def test_a_rule_is_not_fooled(rule: str, tool: str, input: str) -> None:
    assert verdict(tool, input, allow=(rule,)) == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "rm x",
        "git status; rm x",
        "a && /bin/rm x",
        "sudo rm x",
        "sudo -u bob rm x",
        "timeout 5 nice -n 3 rm x",
        "bash -c 'rm x'",
        "echo $(rm x)",
        "(rm  x)",
        "a\nrm x",
        ["rm", "x"],
    ],
)
def test_what_is_denied_is_found_wherever_it_stands(command: object) -> None:
    assert verdict("Bash", bash(command), deny=("Bash(rm *)",), allow=("Bash",)) == "deny"


def test_a_denial_may_concern_the_whole_input() -> None:
    assert verdict("Edit", json.dumps({"file_path": "a", "new": "secret"}), deny=("Edit(*secret*)",)) == "deny"
    assert verdict("Edit", json.dumps({"file_path": "a"}), deny=("Edit(b)",)) == "ask"
    assert verdict("Edit", "{}", deny=("Edit",)) == "deny"
    assert verdict("Bash", bash("echo rm x"), deny=("Bash(rm *)",)) == "ask"
    assert verdict("Bash", " ; ", deny=("Bash(rm *)",)) == "ask"


@pytest.mark.parametrize(
    ("tool", "input", "grant", "also", "not_yet"),
    [
        ("Edit", json.dumps({"file_path": "a"}), "Edit", json.dumps({"file_path": "b"}), None),
        ("Bash", bash("git commit -m x"), "Bash(git commit:*)", bash("git commit -a"), bash("git push")),
        ("Bash", bash("npm run build now"), "Bash(npm run build:*)", bash("npm run build"), bash("npm run test")),
        ("Bash", bash("ls -la"), "Bash(ls -la)", bash("ls -la"), bash("ls")),
        ("shell", "echo a | tee b", "shell(echo a | tee b)", "echo a | tee b", "echo a | tee b c"),
        ("shell", "ls *.py", "shell(ls [*].py)", "ls *.py", "ls a.py"),
        ("Bash", bash("rm -rf build"), "Bash(rm -rf build)", bash("rm -rf build"), bash("rm -rf /")),
        ("Bash(x)", json.dumps({"path": "a"}), "Bash?x?", json.dumps({"path": "b"}), None),
    ],
)
def test_always_allows_the_same_again_and_no_more(
    tool: str, input: str, grant: str, also: str, not_yet: str | None
) -> None:
    assert grant_for(tool, input) == grant
    assert rule_on(PermissionPolicy(), (grant,), tool, input) == Ruling("allow", grant)
    assert rule_on(PermissionPolicy(), (grant,), tool, also).verdict == "allow"
    assert rule_on(PermissionPolicy(), (grant,), "Other", input).verdict == "ask"
    if not_yet:
        assert rule_on(PermissionPolicy(), (grant,), tool, not_yet).verdict == "ask"


@pytest.mark.parametrize("input", ["x" * 2000, "a\nb | c", "curl -H 'Authorization: Bearer abcdefghijkl' x"])
def test_what_cannot_be_kept_is_allowed_once(input: str) -> None:
    assert grant_for("shell", input) == ""
    assert grant_for("  ", "{}") == ""
