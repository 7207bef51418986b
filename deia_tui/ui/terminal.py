"""What the terminal is like: prepared before textual is imported, which reads its settings at import time."""

from collections.abc import Mapping, MutableMapping


def is_remote(environ: Mapping[str, str]) -> bool:
    """Is the operator on the other side of an SSH line?"""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def prepare_environment(environ: MutableMapping[str, str]) -> bool:
    """Over SSH: no animations, no smooth scrolling, 30 frames a second, where nothing else was set. True if remote.

    Elsewhere 120: no more is painted, since what changes is paced before, but an answer or a key waits 4 ms less.
    """
    remote = is_remote(environ)
    if remote:
        environ.setdefault("TEXTUAL_ANIMATIONS", "none")
        environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    environ.setdefault("TEXTUAL_FPS", "30" if remote else "120")
    return remote


def wants_ascii(environ: Mapping[str, str]) -> bool:
    """Does the locale say that this terminal shows nothing but ASCII?"""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return environ.get("TERM") == "linux" or (locale not in ("", "C", "POSIX") and "utf" not in locale.lower())
