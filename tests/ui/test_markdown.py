"""Markdown as lines: what is formatted, that nothing gets lost, and that nobody can make it slow or harmful."""

import re
import time

import pytest
from rich.cells import cell_len

from deia_tui.ui import markdown
from deia_tui.ui.theme import Ink
from deia_tui.ui.wrapping import wrap, wrap_spans

TEXT = """# Title

Some **bold**, *slanted* and `code` text, [here](https://example.org/a).
The next line.

- one
- two
  1. deep
  2. deeper

> quoted

```sh
make   test
```

| name | value |
|------|-------|
| a    | 1     |

---
end
"""


def lines(text: str, width: int = 60) -> list[str]:
    drawn = markdown.render(text, width)
    assert drawn is not None
    return ["".join(part for part, _ in line) for line in drawn]


def test_it_is_laid_out_for_a_terminal() -> None:
    assert lines(TEXT) == [
        "Title",
        "",
        "Some bold, slanted and code text, here",
        "(https://example.org/a).",
        "The next line.",
        "",
        "• one",
        "• two",
        "  1. deep",
        "  2. deeper",
        "",
        "│ quoted",
        "",
        "  make   test",
        "",
        "name │ value",
        "─────┼──────",
        "a    │ 1    ",
        "",
        "─" * 20,
        "",
        "end",
    ]


def test_emphasis_has_its_ink() -> None:
    drawn = markdown.render("**bold** *slanted* `code` plain", 60)
    assert drawn is not None
    inks = {text.strip(): ink for line in drawn for text, ink in line}
    assert (inks["bold"], inks["slanted"], inks["code"]) == (Ink.STRONG, Ink.EMPHASIS, Ink.CODE)


@pytest.mark.parametrize("width", [8, 13, 30, 60, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    text = (
        TEXT
        + "\n| 漢字漢字漢字 | "
        + "word " * 30
        + "|\n|---|---|\n| x | `"
        + "y" * 300
        + "` |\n\n"
        + "- " * 12
        + "deep 漢字 🐝\n"
    )
    drawn = markdown.render(text, width)
    assert drawn is not None
    assert max(cell_len("".join(part for part, _ in line)) for line in drawn) <= width


@pytest.mark.parametrize(
    "trap",
    [
        "&#27;]52;c;c3RvbGVu&#7;",
        "&#x9b;31m",
        "[a](\x1b]52;c;c3RvbGVu\x07)",
        "[a](<http://x/\u202egnp.exe>)",
        "![\x1b[2J](x)",
        "`\x1b[2J`",
        "```\n\x1b]0;title\x07\n```",
        "| \x9b31m |\n|---|\n| &#155; |",
        "<b onclick=\x1b[2J>x</b>",
        "[/][@click=app.exit]x[/]",
        "&#x202e;evil",
    ],
)
def test_nothing_harmful_comes_out(trap: str) -> None:
    text = "\n".join(lines(f"before\n\n{trap}\n\nafter"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert text.startswith("before") and text.endswith("after")


FULL = markdown.LONGEST


@pytest.mark.parametrize(
    "text",
    [
        "[" * FULL,
        "![" * (FULL // 2),
        "[a](" * (FULL // 4),
        "**a*" * (FULL // 4),
        ">" * FULL,
        "- " * (FULL // 2),
        "".join(" " * 2 * depth + "- a\n" for depth in range(120)),
        "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + "|x" * 1000 + "|\n",
        "|a|b|\n|-|-|\n" + "|x|y|\n" * (FULL // 6 - 4),
        "x" * FULL,
        "`" * FULL,
        "\\" * FULL,
    ],
    ids=lambda text: text[:6],
)
def test_nobody_makes_it_slow(text: str) -> None:
    assert len(text) <= FULL
    began = time.thread_time()
    markdown.render(text, 80)
    assert time.thread_time() - began < 2.0  # some 0.1 s; what costs the square of its length takes minutes


def test_what_is_too_long_or_too_deep_stays_as_it_was_written() -> None:
    assert markdown.render("x " * FULL, 80) is None
    assert markdown.render("> " * 60 + "deep", 80) is None


@pytest.mark.parametrize("text", ["x" * 1_000_000, "word " * 200_000, "漢" * 500_000, "\u0301" * 500_000])
def test_a_line_of_a_megabyte_is_broken_in_time(text: str) -> None:
    began = time.thread_time()
    assert "".join(wrap(text, 80)).replace(" ", "") == text.replace(" ", "")
    spans = wrap_spans(((text, Ink.TEXT),), 80)
    assert "".join(part for line in spans for part, _ in line).replace(" ", "") == text.replace(" ", "")
    assert time.thread_time() - began < 10.0  # some 0.5 s; its square takes minutes
