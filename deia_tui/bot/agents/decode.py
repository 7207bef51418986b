"""Turns the bytes a program writes into text and lines, whatever they are and wherever they were cut."""

import codecs
from collections.abc import Callable

_MAX_LINE = 4000
_utf8 = codecs.getincrementaldecoder("utf-8")


class Text:
    """UTF-8 piece by piece; what is none becomes U+FFFD."""

    def __init__(self, deliver: Callable[[str], None]) -> None:
        self._decoder = _utf8("replace")
        self._deliver = deliver

    def feed(self, data: bytes, *, final: bool = False) -> None:
        if text := self._decoder.decode(data, final):
            self._deliver(text)


class Lines:
    """Lines without their line feeds, blank ones left out; overlong ones are cut into several."""

    def __init__(self, deliver: Callable[[str], None]) -> None:
        self._deliver = deliver
        self._rest = ""

    def feed(self, text: str, *, final: bool = False) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        if final or len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._put(line.rstrip())

    def _put(self, line: str) -> None:
        for start in range(0, len(line), _MAX_LINE):
            self._deliver(line[start : start + _MAX_LINE])
