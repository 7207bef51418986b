"""The errors of deia-tui, by who must act on them; each message is one sentence that says what to do."""


class DeiaError(Exception):
    """Anything that goes wrong in an expected way; `str(error)` is shown to the operator as it is."""


class ConfigError(DeiaError):
    """The operator must change a file, a setting or the machine."""


class CommandRejected(DeiaError):
    """The caller asked for something that cannot be done now; nothing was changed.

    `status` is the HTTP status the API answers with (400 to 599); `retry_after_s`, where known, says when
    asking again makes sense.
    """

    def __init__(self, reason: str, *, status: int = 409, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s


class NoSupervisor(DeiaError):
    """Nobody supervises this hive."""


class BotUnreachable(DeiaError):
    """The bot did not answer; feeds its circuit breaker."""


class StoreError(DeiaError):
    """The database cannot be read or written."""
