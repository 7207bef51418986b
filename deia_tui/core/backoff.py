"""How long is waited before what failed is tried again."""

_DOUBLINGS = 60
"""More would only make the number too big."""


def backoff_s(failures: int, *, base_s: float, max_s: float) -> float:
    """`base_s` after the first failure, twice as long after each further one, at most `max_s`."""
    return float(min(max_s, base_s * 2.0 ** min(max(0, failures - 1), _DOUBLINGS)))
