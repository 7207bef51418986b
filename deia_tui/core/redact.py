"""Takes what looks like a credential out of text and JSON before it reaches a log, the store or a screen: rather one
too many than too few. A `Redactor` does so with a stream, wherever that is cut into pieces."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

HIDDEN = "[redacted]"

_KEY = r"(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)"
_SENSITIVE_KEY = re.compile(_KEY, re.IGNORECASE)

# Every repetition has a bound: neither a megabyte without a line feed nor a secret without end takes seconds or memory.
_NAME = rf"""(?i:{_KEY})[\w-]{{0,40}}\\?["']?[ \t]{{0,4}}"""
_IN_QUOTES = r'(?:[^"\\\n]|\\[^\n]){0,1000}+'
_IN_TICKS = r"(?:[^'\\\n]|\\[^\n]){0,1000}+"
_LINE = re.compile(
    (
        r"\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,4000}"  # OpenAI, Anthropic, Stripe
        r"|\bgh[pousr]_[A-Za-z0-9]{16,4000}|\bgithub_pat_\w{16,4000}|\bglpat-[\w-]{16,4000}"  # GitHub, GitLab
        r"|\bxox[a-z]-[\w-]{8,4000}"  # Slack
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,4000}"  # AWS, Google
        r"|\b\d{6,10}:[\w-]{35}\b"  # Telegram
        r"|\beyJ[\w-]{8,300}\.[\w-]{8,2000}\.[\w-]{0,2000}"  # JSON web token
        r"|(?P<scheme>\b(?i:Bearer|Basic)[ \t]{1,4})[\w.~+/=-]{8,16000}"
        r"|(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s:/@]{0,100}:)[^\s/@]{1,200}(?=@)"
        # A count (`max_tokens=4096`) is no secret.
        rf"|(?P<name>{_NAME}[:=][ \t]{{0,4}})(?!\d+\b)(?!(?i:Bearer|Basic)\b)"
        rf"""(?:"{_IN_QUOTES}"|'{_IN_TICKS}'|\\?["']?[^\s"',;&}}\\]{{1,16000}})"""
    ).encode()
)
"""What is secret within one line, behind the group that may be shown."""

_BASE64 = r"[A-Za-z0-9+/=\\]"
_PEM = re.compile(
    (
        rf"-----BEGIN [A-Z ]{{0,40}}PRIVATE KEY-----{_BASE64}{{0,20000}}[ \t\r]{{0,8}}"
        rf"(?:\n[ \t]{{0,40}}(?:{_BASE64}{{0,200}}|(?:Proc-Type|DEK-Info):[^\n]{{0,200}})[ \t\r]{{0,8}}"
        r"(?=\n|-----|-[A-Za-z-]{0,4}\Z|\Z)){0,200}"
        r"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|-[A-Za-z-]{0,7}[A-Z ]{0,40}-{0,4}\Z)?"
    ).encode()
)
"""A private key over several lines, or its beginning."""

_ASSIGNED = r"""[\w-]{0,44}\\?["']?[ \t]{0,4}[:=]"""
_HINT = re.compile(
    (
        rf"token{_ASSIGNED}|s(?:ecret{_ASSIGNED}|k[-_][\w-]{{16}})|credential{_ASSIGNED}"
        rf"|p(?:ass(?:w|phrase){_ASSIGNED}|rivate[_-]?key{_ASSIGNED}|k[-_][\w-]{{16}})|rk[-_][\w-]{{16}}"
        rf"|a(?:pi[_-]?key{_ASSIGNED}|ccess[_-]?key{_ASSIGNED}|uthorization{_ASSIGNED}|kia\w{{16}}|sia\w{{16}}|iza[\w-]{{30}})"
        r"|b(?:earer|asic)[ \t]{1,4}[\w.~+/=-]{8}"
        r"|g(?:h[pousr]_\w{16}|ithub_pat_|lpat-)|xox[a-z]-|eyj[\w-]{8}"
        r"|:(?://[^\s:/@]{0,100}:[^\s/@]{1,200}@|[\w-]{35})"
    ).encode()
)
"""Each secret in a line has one of these, in lower case, and begins there or shortly before. To look for them first is
ten times as fast, and faster still if each begins with one of a few letters."""
_BEFORE_HINT = 22

_OPEN = re.compile(
    (
        rf"""{_NAME}[:=][ \t]{{0,4}}(?:"{_IN_QUOTES}|'{_IN_TICKS})\\?\Z"""
        rf"|(?:{_NAME}(?:[:=][ \t]{{0,4}})?|\b(?i:Bearer|Basic)[ \t]{{1,4}}|-----BEGIN[A-Z ]{{0,60}})?"
        r"[^\s]{0,4096}+\Z"
    ).encode()
)
"""The end of a text from where on it may be a secret, if more follows: the last word and what leads up to it."""
_WINDOW = 4096
"""What is no secret yet, and becomes one, begins at most so many bytes before the end."""

_PROMISING = re.compile(
    (
        rf"{_NAME}[:=][ \t]{{0,4}}\S|\b(?i:Bearer|Basic)[ \t]{{1,4}}\S|-----BEGIN|\b\d{{6,10}}:[\w-]{{8}}"
        r"|\b(?:[srp]k[-_]|gh[pousr]_|github_pat_|glpat-|xox|AKIA|ASIA|AIza|eyJ)|://[^\s:/@]*:(?!\d*\Z)[^\s/@]*\Z"
    ).encode()
)
"""The beginning of a secret that can be told from an ordinary word."""


class _Secret(NamedTuple):
    """`text[start:end]` was recognised, `text[hide:end]` is to be hidden."""

    start: int
    hide: int
    end: int


class Redactor:
    """Every byte comes out once, in order, hidden or as it is, however the stream was cut. Kept back is only what may
    be the beginning of a secret: mostly the last word, until the next one begins."""

    def __init__(self) -> None:
        self._text = b""
        self._open = 0
        self._shown = 0

    @property
    def holds(self) -> bool:
        """Is anything kept back?"""
        return self._shown < len(self._text)

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        self._text += data
        secrets = _secrets(self._text, self._open)
        self._open = _open(self._text, self._open, secrets)
        return self._show(self._open, secrets)

    def pause(self) -> bytes:
        """Nothing came for a while: what is kept back and not clearly the beginning of a secret."""
        if _PROMISING.search(self._text, self._open):
            return b""
        return self._show(len(self._text), ())

    def flush(self) -> bytes:
        """The stream is over: all that is kept back."""
        shown = self._show(len(self._text), _secrets(self._text, self._open))
        self._text, self._open, self._shown = b"", 0, 0
        return shown

    def _show(self, until: int, secrets: Sequence[_Secret]) -> bytes:
        """The text up to `until`, of which a part may have been shown. What may yet become a secret is remembered, with
        the character before it."""
        until = max(until, self._shown)
        shown = _hide(self._text, self._shown, until, secrets)
        forgotten = max(0, self._open - 1)
        self._text = self._text[forgotten:]
        self._open, self._shown = self._open - forgotten, until - forgotten
        return shown


def redact_bytes(data: bytes) -> bytes:
    return _hide(data, 0, len(data), _secrets(data, 0))


def redact_text(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    shown = redact_bytes(data)
    return text if shown == data else shown.decode("utf-8", "replace")


def redact(value: Any) -> Any:
    """The JSON value with credentials hidden: whole texts under a key that names one, else the parts that look so."""
    match value:
        case str():
            return redact_text(value)
        case dict():
            return {key: HIDDEN if _names_secret(key, item) else redact(item) for key, item in value.items()}
        case list() | tuple():
            return [redact(item) for item in value]
        case _:
            return value


def _names_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and _SENSITIVE_KEY.search(key) is not None


def _secrets(text: bytes, start: int) -> list[_Secret]:
    """What is secret from `start` on, in order; they may overlap."""
    found = [*_in_lines(text, start)]
    if b"-----BEGIN" in text:
        found += [_Secret(pem.start(), *pem.span()) for pem in _PEM.finditer(text, start)]
        found.sort()
    return found


def _in_lines(text: bytes, start: int) -> Iterator[_Secret]:
    lower, at = text.lower(), start
    while hint := _HINT.search(lower, at):
        line_end = text.find(b"\n", hint.start())
        line_end = len(text) if line_end < 0 else line_end
        begin = max(at, text.rfind(b"\n", at, hint.start()) + 1, hint.start() - _BEFORE_HINT)
        found = _LINE.search(text, begin, line_end)
        if found is None:
            at = line_end
        else:
            shown = found.lastgroup
            yield _Secret(found.start(), found.end(shown) if shown else found.start(), found.end())
            at = found.end()


def _open(text: bytes, start: int, secrets: Sequence[_Secret]) -> int:
    """From where on more text could change what is secret: a secret at the end may go on, and one into which the open
    part reaches may turn out to be the beginning of another."""
    tail = max(start, text.rfind(b"\n") + 1, len(text) - _WINDOW)
    ending = _OPEN.search(text, tail)
    begin = ending.start() if ending else len(text)
    for secret in reversed(secrets):
        if secret.end > begin or secret.end == len(text):
            begin = min(begin, secret.start)
    return begin


def _hide(text: bytes, start: int, end: int, secrets: Sequence[_Secret]) -> bytes:
    """`text[start:end]` without what is secret."""
    if not secrets:
        return text[start:end]
    pieces, at = [], start
    for secret in secrets:
        if secret.end <= at or secret.hide >= end:
            continue
        if secret.hide >= at:
            pieces += [text[at : secret.hide], HIDDEN.encode()]
        elif secret.hide < start:
            pieces.append(HIDDEN.encode())  # its first letters were shown already
        at = secret.end
    pieces.append(text[at:end])
    return b"".join(pieces)
