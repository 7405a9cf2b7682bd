"""Fire drills: see retries, dead letters and alerts work before you need them.

Submit a drill as any other event; it touches nothing but its own run::

    manage.py submit_event --type drill.dead --store s1 \
        --source drill --event-id 1 --payload {}

``drill.retry`` fails as often as it is told and then works. ``drill.dead`` fails until its
retries are used up, or at once with ``"permanent": true``, and stays as a dead letter until
a person discards it. Type, handler and error all say that it is a drill.
"""

from typing import Annotated, NoReturn

from pydantic import Field

from neural.errors import NeuralError, PermanentError
from neural.events.schema import Payload
from neural.ledger.retry import RetryPolicy

DRILL_RETRY = "drill.retry"
DRILL_DEAD = "drill.dead"

POLICY = RetryPolicy(max_retries=3, base_seconds=1, cap_seconds=1, jitter=0.2)
"""About a second between tries, so that nobody has to wait for minutes to see one."""


class DrillFailure(NeuralError):
    """A drill failed on purpose; trying again is allowed."""


class DrillRefusal(PermanentError):
    """A drill failed on purpose, for good."""


class RetryDrill(Payload):
    failures: Annotated[int, Field(ge=1, le=POLICY.max_retries)] = 2
    """How many tries fail before one works."""


class DeadDrill(Payload):
    permanent: bool = False
    """Dead at the first try instead of after the last retry."""


def fail_then_work(*, failures: int, failed_before: int) -> str:
    """Raise :class:`DrillFailure` until ``failures`` tries have failed."""
    if failed_before < failures:
        raise DrillFailure(f"drill: try {failed_before + 1} fails on purpose, {failures} will")
    return f"drill: worked after {failures} failed tries"


def fail(*, permanent: bool) -> NoReturn:
    """Raise, each time."""
    if permanent:
        raise DrillRefusal("drill: fails on purpose, for good")
    raise DrillFailure("drill: fails on purpose, every time")
