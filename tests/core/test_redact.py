from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.redact import HIDDEN, Redactor, redact, redact_bytes, redact_text

SECRETS = [
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "sk-proj-ABCDEFGHIJKLMNOP123456",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl",
    "xoxb-1234567890-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijklmnopqrstu",
    "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_has_the_shape_of_a_credential_is_hidden(secret: str) -> None:
    assert redact_text(f"using {secret} now") == f"using {HIDDEN} now"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdef0123456789", f"Authorization: Bearer {HIDDEN}"),
        ("API_KEY=hunter2 make", f"API_KEY={HIDDEN} make"),
        ('{"access_token": "two words"}', f'{{"access_token": {HIDDEN}}}'),
        ("password: 'a b'", f"password: {HIDDEN}"),
        ("postgres://joe:hunter2@db/x", f"postgres://joe:{HIDDEN}@db/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", f"{HIDDEN}\nrest"),
        ("max_tokens=4096", "max_tokens=4096"),
        ("the secretary said: no", "the secretary said: no"),
        ("http://127.0.0.1:8001/health", "http://127.0.0.1:8001/health"),
        ("plain prose, nothing to see", "plain prose, nothing to see"),
    ],
)
def test_assignments_headers_and_urls(text: str, hidden: str) -> None:
    assert redact_text(text) == hidden


def test_json_is_redacted_by_key_and_by_shape() -> None:
    row = {"bot_token": "abc", "tokens_in": 12, "env": {"MY_SECRET": "x", "HOME": "/root"}, "lines": ("a", SECRETS[0])}
    assert redact(row) == {
        "bot_token": HIDDEN,
        "tokens_in": 12,
        "env": {"MY_SECRET": HIDDEN, "HOME": "/root"},
        "lines": ["a", HIDDEN],
    }


@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["a", "a.", "token", "eyJ-", "x://", "sk-", "://a:", "Bearer ", "-----BEGIN "])
def test_a_long_hostile_line_does_not_take_minutes(part: str) -> None:
    text = part * (300_000 // len(part))
    assert redact_text(text)


# In a stream

PARTS = [
    *SECRETS,
    *(
        "token",
        ": ",
        "=",
        '"',
        "'",
        "\n",
        " ",
        "\t",
        "word",
        "password",
        "hunter2",
        "api_key",
        "Bearer ",
        "Basic ab12cd34",
    ),
    *(
        "https://",
        "joe:pw@h/x",
        ":",
        "@",
        "/",
        "-",
        "\\",
        "\\n",
        "42",
        "é",
        ",",
        "}",
        "MIIEabc/+=",
        "Proc-Type: 4,ENCRYPTED",
    ),
    *("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"),
    "-----BEGIN PRIVATE KEY-----\nMIIE\nabcd\n-----END PRIVATE KEY-----\n",
]
texts = st.lists(st.sampled_from(PARTS), max_size=14).map(lambda parts: "".join(parts).encode())


def streamed(text: bytes, cuts: list[int]) -> bytes:
    redactor = Redactor()
    places = [0, *sorted(cuts), len(text)]
    return b"".join(redactor.feed(text[a:b]) for a, b in pairwise(places)) + redactor.flush()


@given(st.data())
def test_wherever_a_stream_is_cut_it_says_the_same(data: st.DataObject) -> None:
    text = data.draw(texts | st.binary())
    cuts = data.draw(st.lists(st.integers(0, len(text))))
    assert streamed(text, cuts) == streamed(text, list(range(len(text)))) == redact_bytes(text)


@given(texts, st.integers(1, 60))
def test_pauses_lose_nothing_and_show_no_secret(text: bytes, size: int) -> None:
    redactor, shown = Redactor(), b""
    for start in range(0, len(text), size):
        shown += redactor.feed(text[start : start + size]) + redactor.pause()
    shown += redactor.flush()
    whole = redact_bytes(text)
    assert not any(secret.encode() in shown for secret in SECRETS if secret.encode() not in whole)
    if whole == text:
        assert shown == text


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_two_pieces_with_a_pause_between(secret: str) -> None:
    for cut in range(1, len(secret)):
        redactor = Redactor()
        shown = redactor.feed(b"is " + secret[:cut].encode()) + redactor.pause()
        shown += redactor.feed(secret[cut:].encode() + b" ok") + redactor.flush()
        assert secret[10:].encode() not in shown
        assert shown.startswith(b"is ") and shown.endswith(b" ok")


def test_words_are_shown_when_the_next_begins_or_after_a_pause() -> None:
    redactor = Redactor()
    assert redactor.feed(b"Hello wor") == b"Hello "
    assert redactor.holds
    assert redactor.pause() == b"wor"
    assert not redactor.holds
    assert redactor.feed(b"ld\n") == b"ld\n"
    assert redactor.feed(b"password: ") == b""
    assert redactor.pause() == b"password: "
    assert redactor.feed(b"hunter2") == redactor.pause() == b""
    assert redactor.feed(b"\n") == HIDDEN.encode() + b"\n"
    assert redactor.feed(b"x" * 100_000) == b"x" * (100_000 - 4096)
    assert redactor.flush() == b"x" * 4096


KEY = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + "MIIEpAIBAAKCAQEA\n" * 20
KEY += "-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"before\n{KEY}\nafter", f"before\n{HIDDEN}\nafter"),
        ("-----BEGIN PRIVATE KEY-----\nis how a key begins", f"{HIDDEN}\nis how a key begins"),
        (f"{KEY[:200]}", HIDDEN),
        ('{"key": "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n"}', f'{{"key": "{HIDDEN}\\n"}}'),
        ("  key: |\n    " + KEY.replace("\n", "\n    "), f"  key: |\n    {HIDDEN}"),
    ],
)
def test_private_keys_over_many_lines(text: str, hidden: str) -> None:
    assert redact_text(text) == hidden
    for size in (1, 7, 64):
        assert streamed(text.encode(), list(range(0, len(text), size))) == hidden.encode()


def test_what_a_flood_of_plain_lines_costs_is_not_kept() -> None:
    redactor = Redactor()
    line = b"The quick brown fox jumps over the lazy dog: 12345\n"
    assert redactor.feed(line * 10_000) == line * 10_000
    assert not redactor.holds
