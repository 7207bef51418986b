"""Takes what looks like a credential out of text and JSON before it reaches a log: rather one too many than too few."""

import re
from typing import Any

HIDDEN = "[redacted]"

_KEY = r"(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)"
_SENSITIVE_KEY = re.compile(_KEY, re.IGNORECASE)
# Every repetition that can fail has a bound: a megabyte without a line feed must not take seconds.
_SHAPES = re.compile(
    r"\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, Stripe
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}"  # GitHub, GitLab
    r"|\bxox[a-z]-[\w-]{8,}"  # Slack
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}"  # AWS, Google
    r"|\b\d{8,10}:[\w-]{35}\b"  # Telegram
    r"|\beyJ[\w-]{8,300}\.[\w-]{8,2000}\.[\w-]*"  # JSON web token
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)",
    re.DOTALL,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s{1,4}[\w.~+/=-]{8,}", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,100}:)[^\s/@]{1,200}@", re.IGNORECASE)
# A count (`max_tokens=4096`) is no secret.
_ASSIGNMENT = re.compile(
    rf"""({_KEY}[\w-]{{0,40}}["']?\s{{0,4}}[:=]\s{{0,4}})(?!\d+\b)(?!(?:Bearer|Basic)\b)("[^"]*"|'[^']*'|[^\s"',;&}}]+)""",
    re.IGNORECASE,
)


def redact_text(text: str) -> str:
    text = _SHAPES.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    return _ASSIGNMENT.sub(rf"\1{HIDDEN}", text)


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
