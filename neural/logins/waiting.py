"""How long a failed login has to wait. Pure: no database, no clock of its own."""

import datetime as dt

FORGOTTEN_AFTER = dt.timedelta(hours=1)
"""Of peace, after the wait: then counting starts anew."""


def wait_after(failures: int, *, free: int, first: float, longest: float) -> dt.timedelta:
    """The wait after so many failures: none below ``free``, then ``first`` seconds, doubling to
    at most ``longest``."""
    if failures < free:
        return dt.timedelta(0)
    doublings = min(failures - free, 32)  # beyond, a float would run out before the bound is met
    return dt.timedelta(seconds=min(first * 2**doublings, longest))
