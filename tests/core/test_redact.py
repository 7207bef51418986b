import pytest
from hypothesis import given
from hypothesis import strategies as st

from deia_tui.core.redact import HIDDEN, redact, redact_text

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
