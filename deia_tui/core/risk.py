"""Decides whether a line can run as a plain command, without a shell and without asking anybody.

A line is cut into words as a POSIX shell would; whatever a shell would interpret beyond that, and a few commands
that destroy or escalate, make it a refusal. It guards against accidents and is no sandbox.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Plain:
    """Run exactly this, without a shell; there is at least one word."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """`reason` names what was found, as a clause without full stop."""

    reason: str


def judge(line: str) -> Plain | Refused:
    """What to do with a command line."""
    line = line.strip(" \t\r\n")
    try:
        argv = _split(line)
    except _NeedsShell as found:
        return Refused(str(found))
    if not argv:
        return Refused("there is no command in it")
    reason = _risk(argv)
    return Refused(reason) if reason else Plain(tuple(argv))


# Words

_ALWAYS = "|&;<>()`\n*?["
_EXPANDS = re.compile(r"\$[A-Za-z0-9_{(@*#?$!'\"-]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


class _NeedsShell(Exception):
    """Raised with the reason when a line is more than words."""


def _split(line: str) -> list[str]:
    words: list[str] = []
    position = 0
    while (position := _skip_blanks(line, position)) < len(line):
        _check_word_start(line, position, first=not words)
        word, position = _word(line, position)
        words.append(word)
    return words


def _skip_blanks(line: str, position: int) -> int:
    while position < len(line) and line[position] in " \t":
        position += 1
    return position


def _check_word_start(line: str, position: int, *, first: bool) -> None:
    """Characters that mean something to a shell only at the start of a word, or of the line."""
    if line[position] in "~#":
        raise _NeedsShell(f"'{line[position]}' needs a shell")
    if first and line[position] == "!":
        raise _NeedsShell("'!' needs a shell")
    if first and (assignment := _ASSIGNMENT.match(line, position)):
        raise _NeedsShell(f"'{assignment[0]}' needs a shell")


def _word(line: str, position: int) -> tuple[str, int]:
    word: list[str] = []
    while position < len(line) and line[position] not in " \t":
        char = line[position]
        if char == "'":
            text, position = _single_quoted(line, position + 1)
        elif char == '"':
            text, position = _double_quoted(line, position + 1)
        elif char == "\\":
            text, position = _escaped(line, position + 1)
        elif line.startswith("{}", position):
            text, position = "{}", position + 2
        else:
            _check_plain(line, position)
            text, position = char, position + 1
        word.append(text)
    return "".join(word), position


def _check_plain(line: str, position: int) -> None:
    char = line[position]
    special = char in _ALWAYS or char == "{" or (char == "~" and line[position - 1] in ":=")
    if special or _EXPANDS.match(line, position):
        raise _NeedsShell("a line feed needs a shell" if char == "\n" else f"'{char}' needs a shell")
    if char == "\0":
        raise _NeedsShell("there is a NUL character in it")


def _single_quoted(line: str, position: int) -> tuple[str, int]:
    end = line.find("'", position)
    if end < 0:
        raise _NeedsShell("a quotation mark (') is not closed")
    return line[position:end], end + 1


def _double_quoted(line: str, position: int) -> tuple[str, int]:
    text: list[str] = []
    while position < len(line) and line[position] != '"':
        if line[position] == "\\" and line[position + 1 : position + 2] in ("$", "`", '"', "\\"):
            position += 1
        elif line[position] == "`" or _EXPANDS.match(line, position):
            raise _NeedsShell(f"'{line[position]}' needs a shell")
        text.append(line[position])
        position += 1
    if position >= len(line):
        raise _NeedsShell('a quotation mark (") is not closed')
    return "".join(text), position + 1


def _escaped(line: str, position: int) -> tuple[str, int]:
    if position >= len(line) or line[position] == "\n":
        raise _NeedsShell("a line that goes on after '\\' needs a shell")
    return line[position], position + 1


# Risks

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "ash"})
_RUN_OTHERS = frozenset(
    {"chroot", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "time", "timeout", "xargs"}
    | {"busybox", "find", "flock", "script", "strace", "taskset", "unshare", "watch"}
)
_NEVER = frozenset(
    {"doas", "pkexec", "su", "sudo"}
    | {"halt", "poweroff", "reboot", "shutdown"}
    | {"fdisk", "mkswap", "parted", "sfdisk", "wipefs"}
)


def _risk(argv: Sequence[str]) -> str:
    """Why this command needs somebody's consent, or ""."""
    name, arguments = argv[0].rpartition("/")[2], argv[1:]
    if name in _NEVER or name.startswith("mkfs"):
        return f"'{name}' is risky"
    if name in _SHELLS:
        return _script_risk(name, arguments)
    if name in _RUN_OTHERS:
        inner = (_risk(arguments[start:]) for start in range(len(arguments)))
        if found := next(filter(None, inner), ""):
            return found
    match name:
        case "rm" if _has(arguments, "rR", "--recursive"):
            return "'rm -r' is risky"
        case "dd" if any(word.startswith("of=") for word in arguments):
            return "'dd of=' is risky"
        case "find" if "-delete" in arguments:
            return "'find -delete' is risky"
        case "chmod" | "chown" | "chgrp" if _has(arguments, "R", "--recursive") and _is_sweeping(arguments):
            return f"'{name} -R' is risky"
        case _:
            return ""


def _script_risk(name: str, arguments: Sequence[str]) -> str:
    """A shell may run a script file; a script given as text is judged like any other line."""
    for option, text in pairwise(arguments):
        if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", option):
            verdict = judge(text)
            return f"{verdict.reason} (in '{name} -c')" if isinstance(verdict, Refused) else ""
    return ""


def _has(arguments: Sequence[str], letters: str, long: str) -> bool:
    return any(word == long or any(letter in word for letter in letters) for word in _options(arguments, long))


def _options(arguments: Sequence[str], long: str) -> Iterator[str]:
    """The options among the arguments: bundled short ones, and `long`."""
    for word in arguments:
        if word == "--":
            return
        if word == long or re.fullmatch(r"-[A-Za-z]+", word):
            yield word


def _is_sweeping(arguments: Sequence[str]) -> bool:
    return any(word in ("777", "0777", "a+rwx", "/") for word in arguments)
