import pytest

from deia_tui.core.passes import may, same, token_of


def test_a_token_for_the_hive_is_made_of_the_runs_own_again_and_does_not_tell_it() -> None:
    assert token_of("secret") == token_of("secret") != token_of("other")
    assert "secret" not in token_of("secret")


@pytest.mark.parametrize(
    ("one", "other", "are"), [("a", "a", True), ("a", "b", False), ("a", "", False), ("ä\udcff", "ä\udcff", True)]
)
def test_tokens_are_compared_whatever_was_sent(one: str, other: str, are: bool) -> None:
    assert same(one, other) is are


@pytest.mark.parametrize(
    ("method", "route", "allowed"),
    [
        ("GET", "/api/status", True),
        ("POST", "/api/bot/send/{bot_id}", True),
        ("GET", "/api/bot/send/{bot_id}", False),
        ("POST", "/api/bot/stop/{bot_id}", False),
        ("GET", "/api/unheard-of", False),
        ("POST", "/api/tasks", True),
        ("GET", "/api/tasks/{task_id}", True),
        ("PATCH", "/api/tasks/{task_id}", False),
        ("POST", "/api/tasks/{task_id}/cancel", False),
    ],
)
def test_what_is_not_on_the_list_a_bot_may_not(method: str, route: str, allowed: bool) -> None:
    assert may(method, route) is allowed
