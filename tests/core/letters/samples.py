"""Letters from A to B, for tests of what becomes of them."""

from dataclasses import replace

from deia_tui.core.letters.letter import Letter, LetterState

NOW = 1_760_000_000.0


def letter(number: int, **changes: object) -> Letter:
    """The greater its number, the younger it is."""
    plain = Letter(
        letter_id=f"l{number}",
        from_bot="A",
        to_bot="B",
        text="hi",
        sent_at=NOW - 100 + number,
        since=NOW - 100 + number,
        expires_at=NOW + 1000,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


AHEAD = letter(3, attempt=1, tries=1, message_id="l3.1")
"""B's keeper has it."""
WITH_BOT = replace(AHEAD, state=LetterState.DELIVERED)
