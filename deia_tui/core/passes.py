"""What a bot may ask of the hive it lives in. Every run gets a token of its own for that; a human comes without one.

The token is made from the one that opens the bot's own service, which its agent never sees: whoever takes the run over
can make it again. Processes of one user are no sandbox: the token says who asks, it does not keep anybody from asking
without it.
"""

import hashlib
import hmac

_MAY = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/api/status"),
        ("GET", "/api/bots"),
        ("GET", "/api/bot/{bot_id}/status"),
        ("GET", "/api/events"),
        ("POST", "/api/bot/send/{bot_id}"),
        ("GET", "/api/work"),
        ("GET", "/api/tasks"),
        ("POST", "/api/tasks"),
        ("GET", "/api/tasks/{task_id}"),
        ("GET", "/api/tasks/{task_id}/events"),
        ("POST", "/api/messages"),
        ("GET", "/api/messages"),
        ("GET", "/api/messages/status"),
        ("GET", "/api/messages/inbox/{bot_id}"),
        ("GET", "/api/messages/{message_id}"),
        ("POST", "/api/messages/{message_id}/read"),
        ("GET", "/api/scheduling/bots"),
        ("GET", "/api/scheduling/bots/{bot_id}"),
        ("GET", "/api/scheduling/types"),
        ("GET", "/api/scheduling/recommendations"),
        ("GET", "/api/scheduling/export"),
    }
)


def token_of(run_token: str) -> str:
    """The token of a run for the API of its hive; it does not tell the run's own."""
    return hmac.new(run_token.encode(), b"deia-tui: the API of the hive", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Takes as long whatever they are."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def may(method: str, route: str) -> bool:
    """May a bot do this? `route` is written with its parameters, as in /api/bot/send/{bot_id}."""
    return (method, route) in _MAY
