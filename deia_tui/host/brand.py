"""A mark no program sheds by accident: every process inherits resource limits, whatever becomes of its environment, its
session and its parents. So the nonce of a run is also a limit: RLIMIT_RTTIME, which concerns real-time scheduling only
and here stands for 146,000 years or more.
"""

import hashlib
import re
import resource
from contextlib import suppress

_BEYOND_REACH_US = 1 << 62
_SHOWN = re.compile(rb"Max realtime timeout +(\d+) ")


def brand_of(nonce: str) -> int:
    """The limit that stands for this nonce."""
    return _BEYOND_REACH_US | int.from_bytes(hashlib.sha256(nonce.encode()).digest()[:7])


def wear(nonce: str) -> None:
    """From now on this process and all that descend from it are branded, unless somebody has set a lower limit."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_RTTIME, (brand_of(nonce), brand_of(nonce)))


def brand_worn(pid: int) -> int | None:
    """The limit a process has; None for one without any, or gone. Raises OSError when /proc is out of reach."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as limits:
            shown = _SHOWN.search(limits.read())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return int(shown[1]) if shown else None
