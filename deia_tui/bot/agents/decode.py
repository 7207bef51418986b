"""Turns the bytes a program writes into text and lines, whatever they are and wherever they were cut."""

import codecs
from collections.abc import Iterator

_MAX_LINE = 4000
_utf8 = codecs.getincrementaldecoder("utf-8")


class Text:
    """UTF-8 piece by piece; what is none becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = _utf8("replace")

    def feed(self, data: bytes, *, final: bool = False) -> str:
        return self._decoder.decode(data, final)


class Lines:
    """Lines without their line feeds, blank ones left out; overlong ones are cut into several."""

    def __init__(self) -> None:
        self._text = Text()
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        *lines, self._rest = (self._rest + self._text.feed(data, final=final)).split("\n")
        if final or len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = ""
        for line in map(str.rstrip, lines):
            for start in range(0, len(line), _MAX_LINE):
                yield line[start : start + _MAX_LINE]
