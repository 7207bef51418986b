"""Which lines run as they are, and what a refusal says."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.risk import Plain, Refused, judge


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("ls", ["ls"]),
        ("  uname  -a \r\n", ["uname", "-a"]),
        ("grep 'a|b; $c `d` *' file", ["grep", "a|b; $c `d` *", "file"]),
        ('echo "a b" c"d e"f', ["echo", "a b", "cd ef"]),
        ('echo "a|b;c&d<e>f(g)*?[h]{i}~#!"', ["echo", "a|b;c&d<e>f(g)*?[h]{i}~#!"]),
        (r"echo \$HOME \* a\ b \\", ["echo", "$HOME", "*", "a b", "\\"]),
        (r'echo "\$HOME \" \\ \n"', ["echo", '$HOME " \\ \\n']),
        ("echo '' \"\"", ["echo", "", ""]),
        ("find . -name x -exec echo {} +", ["find", ".", "-name", "x", "-exec", "echo", "{}", "+"]),
        ("find . ! -name x", ["find", ".", "!", "-name", "x"]),
        ("grep end$ file", ["grep", "end$", "file"]),
        ("git log HEAD~3 a#b --format=%h", ["git", "log", "HEAD~3", "a#b", "--format=%h"]),
        ("make CFLAGS=-O2", ["make", "CFLAGS=-O2"]),
        ("mail a!b", ["mail", "a!b"]),
        ("echo ünïcode 蜂", ["echo", "ünïcode", "蜂"]),
        ("rm -f file", ["rm", "-f", "file"]),
        ("rm -- -r", ["rm", "--", "-r"]),
        ("chmod -R u+w build", ["chmod", "-R", "u+w", "build"]),
        ("dd if=/dev/zero count=1", ["dd", "if=/dev/zero", "count=1"]),
        ("echo sudo", ["echo", "sudo"]),
        ("bash script.sh", ["bash", "script.sh"]),
        ("bash -e script.sh", ["bash", "-e", "script.sh"]),
        ("sh -c 'uname -a'", ["sh", "-c", "uname -a"]),
        ("timeout 5 sleep 10", ["timeout", "5", "sleep", "10"]),
    ],
)
def test_a_plain_line_is_cut_as_a_shell_would(line: str, argv: list[str]) -> None:
    assert judge(line) == Plain(tuple(argv))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a | b", "'|'"),
        ("a && b", "'&'"),
        ("a & ", "'&'"),
        ("a; b", "';'"),
        ("a > b", "'>'"),
        ("a 2>b", "'>'"),
        ("a < b", "'<'"),
        ("(a)", "'('"),
        ("a )", "')'"),
        ("echo $HOME", "'$'"),
        ("echo $(date)", "'$'"),
        ("echo ${x}", "'$'"),
        ("echo $'a'", "'$'"),
        ('echo "$HOME"', "'$'"),
        ('echo "`date`"', "'`'"),
        ("echo `date`", "'`'"),
        ("a\nb", "a line feed"),
        ("a \\\nb", "'\\'"),
        ("echo \\", "'\\'"),
        ("ls *.py", "'*'"),
        ("ls ?.py", "'?'"),
        ("ls [ab]", "'['"),
        ("echo {a,b}", "'{'"),
        ("cat ~/x", "'~'"),
        ("PATH=~:x y", "'PATH='"),
        ("make A=~", "'~'"),
        ("# comment", "'#'"),
        ("ls # comment", "'#'"),
        ("! true", "'!'"),
        ("FOO=bar make", "'FOO='"),
        ("A+=1", "'A+='"),
        ("it's", "(') is not closed"),
        ('say "hello', '(") is not closed'),
        ("a\0b", "NUL"),
        ("", "no command"),
        (" \t\n", "no command"),
    ],
)
def test_what_needs_a_shell_is_named(line: str, found: str) -> None:
    verdict = judge(line)
    assert isinstance(verdict, Refused)
    assert found in verdict.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sudo ls", "'sudo' is risky"),
        ("/usr/bin/sudo ls", "'sudo' is risky"),
        ("su", "'su' is risky"),
        ("shutdown now", "'shutdown' is risky"),
        ("mkfs.ext4 /dev/sda1", "'mkfs.ext4' is risky"),
        ("rm -rf /", "'rm -r' is risky"),
        ("rm -f -R x", "'rm -r' is risky"),
        ("rm --recursive x", "'rm -r' is risky"),
        ("'rm' -fr x", "'rm -r' is risky"),
        ("dd if=/dev/zero of=/dev/sda", "'dd of=' is risky"),
        ("chmod -R 777 .", "'chmod -R' is risky"),
        ("chown -R me /", "'chown -R' is risky"),
        ("find . -delete", "'find -delete' is risky"),
        ("find . -exec rm -rf {} +", "'rm -r' is risky"),
        ("xargs rm -rf", "'rm -r' is risky"),
        ("env A=1 nice -n 5 sudo ls", "'sudo' is risky"),
        ("timeout 5 bash -c 'a | b'", "'|' needs a shell (in 'bash -c')"),
        ("bash -c 'curl x | sh'", "'|' needs a shell (in 'bash -c')"),
        ("sh -ec 'rm -rf x'", "'rm -r' is risky (in 'sh -c')"),
    ],
)
def test_what_destroys_or_escalates_is_refused(line: str, reason: str) -> None:
    assert judge(line) == Refused(reason)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_quoted_words_are_never_interpreted(words: list[str]) -> None:
    assert judge(shlex.join(["echo", *words])) == Plain(("echo", *words))


@given(st.text())
def test_every_line_gets_a_verdict(line: str) -> None:
    verdict = judge(line)
    assert verdict.argv if isinstance(verdict, Plain) else verdict.reason
