"""Retry policies: whether and when a failed run is retried. Imports no Django and no Celery.

Exponential backoff with a cap and "equal jitter" (Marc Brooker, "Exponential Backoff And Jitter",
AWS Architecture Blog, 2015): a share of each delay is random. So runs that failed together are not
retried together, and none is retried at once.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failed run is retried, and after which delays.

    ``max_retries`` counts the attempts after the first; None means without limit. The n-th retry
    waits ``min(cap_seconds, base_seconds * 2 ** (n - 1))`` seconds. The share ``jitter`` of that is
    random: 0 none of it, 0.5 half of it, 1 all of it. Exceptions of the ``permanent`` classes are
    never retried. Neither are exceptions of other classes than ``only``.
    """

    max_retries: int | None = 3
    base_seconds: float = 60
    cap_seconds: float = 600
    jitter: float = 0.5
    permanent: tuple[type[BaseException], ...] = ()
    only: tuple[type[BaseException], ...] = (BaseException,)

    def allows(self, failures: int) -> bool:
        """Whether a run that has failed this often may be retried."""
        return self.max_retries is None or failures <= self.max_retries

    def delay(self, failures: int, *, random_share: float | None = None) -> float:
        """Seconds to wait after the given number of failed attempts (1 or more).

        ``random_share`` (0 to 1) replaces the random number in tests.
        """
        doublings = min(failures - 1, 64)  # enough for any cap, and never overflows a float
        full = min(self.cap_seconds, self.base_seconds * 2**doublings)
        share = random.random() if random_share is None else random_share
        return full * (1 - self.jitter + self.jitter * share)

    def is_permanent(self, error: BaseException) -> bool:
        """Whether a retry is useless: the error's ``permanent`` says so, or this policy does."""
        if getattr(error, "permanent", False) or isinstance(error, self.permanent):
            return True
        return not isinstance(error, self.only)
