"""Decides what becomes of an agent's request for leave before a human is asked, and what a human's "always" means.

A rule is the name of a tool, alone or with a pattern for its input: `Read`, `Bash(git status*)`, `mcp__*`. `*`, `?` and
`[…]` are those of file names; `git:*` is git with anything behind it. What is denied is looked for in every command of
a chain. A pattern never allows one: it fits a command only where no shell is needed and nothing is risky (core/risk.py
decides that), and a path only without "..".
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Literal, NamedTuple

from deia_tui.core.redact import redact_text
from deia_tui.core.risk import Plain, judge
from deia_tui.core.turns import PermissionPolicy

POLICY = "policy"
"""Who answered where no human was asked."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """`rule` is what decided, "" for the default."""

    verdict: Literal["ask", "allow", "deny"]
    rule: str = ""


def rule_on(policy: PermissionPolicy, grants: Sequence[str], tool: str, input: str) -> Ruling:
    """The first of deny, allow and default that fits; `grants` are rules that a human added to those that allow."""
    subject = _subject(input)
    for rule in policy.deny:
        if _denies(rule, tool, input, subject):
            return Ruling("deny", rule)
    for rule in (*policy.allow, *grants):
        if _allows(rule, tool, subject):
            return Ruling("allow", rule)
    return Ruling(policy.default)


def grant_for(tool: str, input: str) -> str:
    """What is allowed by "always": this tool, and of commands those with the same words in front. "" where only this
    one request can be meant."""
    subject = _subject(input)
    grant = re.sub(r"[()]", "?", _literal(tool))
    if subject.is_command:
        grant += f"({_same_words(subject.text)})"
    is_fit = len(grant) <= _LONGEST_GRANT and grant.isprintable() and redact_text(grant) == grant
    return grant if is_fit and tool.strip() else ""


_LONGEST_GRANT = 1000
_LONGEST_ALLOWED = 20_000
"""A command longer than this is for a human to look at."""
_RULE = re.compile(r"([^(]*)(?:\((.*)\))?", re.DOTALL)
_OBJECTS = ("file_path", "path", "filePath", "notebook_path", "url", "pattern", "query")
"""What a tool that runs no command is used on, by the names in its input."""


class _Subject(NamedTuple):
    """What patterns are compared with."""

    text: str
    is_command: bool


def _subject(input: str) -> _Subject:
    """Agents give the input of a tool as JSON, or a command as it is."""
    try:
        fields = json.loads(input)
    except (ValueError, RecursionError):
        return _Subject(input, is_command=True)
    if not isinstance(fields, dict):
        return _Subject(input, is_command=True)
    match fields.get("command", fields.get("cmd")):
        case str() as command:
            return _Subject(command, is_command=True)
        case [("bash" | "sh" | "zsh" | "/bin/bash" | "/bin/sh"), ("-c" | "-lc"), str() as script]:
            return _Subject(script, is_command=True)
        case [*words] if words:
            return _Subject(" ".join(map(str, words)), is_command=True)
    named = next((fields[name] for name in _OBJECTS if isinstance(fields.get(name), str)), input)
    return _Subject(named, is_command=False)


def _parts(rule: str) -> tuple[str, str | None]:
    """The pattern for the tool, and that for its input."""
    parts = _RULE.fullmatch(rule.strip())
    return (parts[1].strip(), parts[2]) if parts else (rule, None)


def _is_for(pattern: str, tool: str) -> bool:
    return fnmatchcase(tool.lower(), pattern.lower())


def _fits(pattern: str, text: str) -> bool:
    if pattern.endswith(":*"):
        prefix = pattern.removesuffix(":*")
        return fnmatchcase(text, prefix) or fnmatchcase(text, f"{prefix} *")
    return fnmatchcase(text, pattern)


def _allows(rule: str, tool: str, subject: _Subject) -> bool:
    name, pattern = _parts(rule)
    if not _is_for(name, tool):
        return False
    if pattern is None or pattern == "*" or pattern == _literal(subject.text):
        return True
    text = subject.text.strip()
    if len(text) > _LONGEST_ALLOWED or not _fits(pattern, text):
        return False
    return isinstance(judge(text), Plain) if subject.is_command else ".." not in text.split("/")


def _denies(rule: str, tool: str, input: str, subject: _Subject) -> bool:
    name, pattern = _parts(rule)
    if not _is_for(name, tool):
        return False
    if pattern is None:
        return True
    return any(_fits(pattern, text) for text in (input, subject.text, *_commands(subject)))


# Commands

_BETWEEN = re.compile(r"&&|\|\||[;|&\n(){}`]|\$\(")
_BEFORE = frozenset(
    {"sudo", "doas", "env", "exec", "command", "builtin", "nohup", "nice", "time", "timeout", "xargs"}
    | {"sh", "bash", "dash", "zsh", "ksh"}
)
"""What may stand before the command that is meant."""
_FURTHEST = 20
"""So many words behind one of them the command is looked for."""


def _commands(subject: _Subject) -> Iterator[str]:
    """Every command of a line, with single spaces, as its bare name and arguments."""
    if not subject.is_command:
        return
    for part in _BETWEEN.split(subject.text):
        words = part.split()
        tails = _FURTHEST if words and _bare(words[0]) in _BEFORE else 1
        for start in range(min(tails, len(words))):
            yield " ".join([_bare(words[start]), *words[start + 1 :]])


def _bare(word: str) -> str:
    return word.strip("'\"").rpartition("/")[2]


def _same_words(command: str) -> str:
    """A pattern for commands that begin with the same words; for this command alone where it has no second word, needs
    a shell or is risky."""
    line = command.strip()
    verdict = judge(line)
    if isinstance(verdict, Plain):
        words = list(takewhile(re.compile(r"[A-Za-z][\w-]*").fullmatch, verdict.argv[:3]))
        if len(words) > 1:
            return f"{' '.join(words)}:*"
    return _literal(command)


def _literal(text: str) -> str:
    """A pattern that fits `text` only."""
    return re.sub(r"([*?\[])", r"[\1]", text)
