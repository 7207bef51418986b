"""Decides whether a line can run as a plain command, without a shell and without asking anybody, and whether a text for
any agent holds a command that somebody should look at twice.

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


# Commands within other text


ASKS_ITSELF = "shell"
"""Agents of this kind ask leave for what is risky: whoever writes to one need not be asked, too."""


def risky(text: str) -> str:
    """Why a text for an agent should be looked at twice, or "": it holds a command that deletes, escalates or runs what
    it downloads, or a chain of commands. What is merely written about such things is prose."""
    if not _WORTH_A_LOOK.search(text):
        return ""
    if download := _DOWNLOAD.search(text):
        return f"'{download['loader'] or download['inner']} | {download['shell'] or 'sh'}' is risky"
    if any(word not in _PROSE for word in _RM.findall(text)):
        return "'rm -r' is risky"
    if any(word in _COMMANDS or "/" in word for _, word in _SUDO.findall(text)):
        return "'sudo' is risky"
    return next(filter(None, map(_command_risk, _candidates(text))), "")


_WORTH_A_LOOK = re.compile(
    r"&&|\||;|\bsudo\b|\bdoas\b|\bpkexec\b|\brm\b|\bcurl\b|\bwget\b|\bdd\b|\bmkfs|\bch(?:mod|own)\b"
)
_INTERPRETER = r"(?:ba|z|da|k|fi)?sh|python[\d.]{0,5}|perl|ruby|node|php"
_DOWNLOAD = re.compile(
    rf"\b(?P<loader>curl|wget)[ \t][^\n|`]{{1,500}}\|[ \t]{{0,9}}(?:sudo[ \t]{{1,9}}(?:-\S{{1,9}}[ \t]{{1,9}})?)?"
    rf"(?:/\S{{1,50}}/)?(?P<shell>{_INTERPRETER})(?=[\s`;&|]|$)"
    r"|\b(?:(?:ba|z|da|k|fi)?sh|source|eval)[ \t][^\n]{0,20}(?:<|\$)\([ \t]{0,9}(?P<inner>curl|wget)[ \t]"
)
_RM = re.compile(
    r"(?<![\w.-])rm[ \t]{1,9}(?:-[\w-]{1,30}[ \t]{1,9}){0,5}(?:-[A-Za-z]{0,9}[rR][A-Za-z]{0,9}|--recursive)"
    r"(?:[ \t]{1,9}-[\w-]{1,30}){0,5}[ \t]{1,9}([^\s`\"',;:.?!)]\S{0,100}|\.\S{0,100})"
)
_SUDO = re.compile(r"(?<![\w./-])(sudo|doas|pkexec)[ \t]{1,9}(?:-\S{1,30}[ \t]{1,9}){0,5}([\w./~-]{1,100})")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMANDS = _words(
    "apt apt-get awk basename bash bunzip2 bzip2 cd chgrp chmod chown chroot cp crontab curl dd df dirname dnf "
    "docker dpkg du env fdisk gcc git grep gunzip gzip head ip iptables journalctl jq killall kubectl ln ls "
    "lsof mkdir mkfifo mkfs mv nc npm npx pacman pip pip3 pkill podman printf ps pwd python python3 rm rmdir "
    "rsync scp sed sftp sh ssh su sudo systemctl tar tee tmux tr ufw umount uname uniq unzip useradd userdel "
    "usermod uv vi vim visudo wc wget xargs xz yum zip zsh"
)
_AMBIGUOUS = _words(
    "cargo cat cut date echo exit export find go halt install join kill less make man more mount node passwd "
    "paste patch perl poweroff reboot ruby service shutdown sleep sort source split tail test time touch top "
    "watch which yes"
)
"""Commands that are words of English too: they are meant as commands where what stands beside them says so."""
_PROSE = _words(
    "about all also an and are as at be but by can could do does for from has have he how if in into is it its "
    "just like me must my no not of on or our please should so than that the them then there these they this to "
    "too use was we were what when where which who why will with without would you your"
)
_SHAPED = re.compile(r"^-{1,2}\w|/|^\$\w|^\.{1,2}$|\w\.\w{1,5}$|\*")
"""What the argument of a command looks like, and a word of prose does not."""
_CHAIN = re.compile(r"&&|\|\||;|\|")
_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_LINE_START = re.compile(r"[ \t]*(?:[$>%][ \t]+|[-*][ \t]+|\d{1,3}[.)][ \t]+)?")
_SPAN = re.compile(r"`([^`\n]{1,500})`")
_ORDER = re.compile(r"\b(?:[Rr]un|[Ee]xecute|[Tt]ype|[Ee]nter|[Dd]o):?[ \t]+([^`\n]{1,500})")


def _candidates(text: str) -> Iterator[str]:
    """What may be meant as a command line: lines, code within a line, and what somebody is told to run."""
    for line in text.splitlines():
        yield line[_LINE_START.match(line).end() :][:2000]  # type: ignore[union-attr]  # it matches nothing as well
        yield from _SPAN.findall(line)
        if order := _ORDER.search(line):
            yield order[1]


def _command_risk(line: str) -> str:
    line = _QUOTED.sub(" _ ", line).strip()
    parts = [words for part in _CHAIN.split(line) if (words := part.split())]
    if (
        not parts
        or line.startswith("|")
        or any(word.lower().strip(".,:!?") in _PROSE for words in parts for word in words)
    ):
        return ""
    if any(words[0] in ("sudo", "doas", "pkexec") and len(words) > 1 for words in parts) and line[-1] not in ".?!,:":
        return "'sudo' is risky"
    if not all(_is_command(words[0]) for words in parts):
        return ""
    is_meant = any(map(_is_meant, parts))
    if is_meant and (reason := next(filter(None, (_risk(words) for words in parts if _has_object(words))), "")):
        return reason
    if len(parts) > 1 and (found := _CHAIN.search(line)) and (is_meant or found[0] in ("&&", "||")):
        return f"'{found[0]}' chains commands"
    return ""


def _is_command(word: str) -> bool:
    return word in _COMMANDS or word in _AMBIGUOUS or word.startswith(("./", "/", "~/", "mkfs."))


def _is_meant(words: Sequence[str]) -> bool:
    return words[0] not in _AMBIGUOUS or any(map(_SHAPED.search, words[1:]))


def _has_object(words: Sequence[str]) -> bool:
    """The bare name of a command, with its options or not, is rather talked about than meant."""
    return not all(word.startswith("-") for word in words[1:])
