"""How many files a process may have open: host and supervisor need some for every bot, agents what they were given."""

import resource

Limits = tuple[int, int]


def raise_nofile() -> Limits:
    """May open as many files as allowed; returns the limits from before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before


def restore_nofile(limits: Limits) -> None:
    """What `raise_nofile` returned holds again, also for programs started from now on."""
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
