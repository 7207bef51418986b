"""Makes text from bots, files and names safe for a terminal: no escape sequence, control or bidi character survives."""

import re

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC up to their end
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
    r"|\x9b[0-?]*[ -/]*[@-~]",  # 8-bit CSI
    re.DOTALL,
)
_HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """`text` on one line: sequences dropped, line feeds and tabs to spaces, other controls to '·'."""
    if text.isprintable():
        return text
    return clean_lines(text).replace("\n", " ")


def clean_lines(text: str) -> str:
    """Like `clean`, but line feeds stay and tabs become four spaces; a carriage return ends a line."""
    if text.isprintable():
        return text
    text = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return _HARMFUL.sub("·", text).replace("\u2028", "\n").replace("\u2029", "\n")


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters, with an ellipsis where something was cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
