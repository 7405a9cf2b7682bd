"""Fire drills: see retries, dead letters and alerts work before you need them.

Submit a drill as any other event; it touches nothing but its own run::

    manage.py submit_event --type drill.dead --store s1 \
        --source drill --event-id 1 --payload {}

``drill.retry`` fails as often as it is told and then works. ``drill.dead`` fails until its
retries are used up, or at once with ``"permanent": true``, and stays as a dead letter until
a person discards it. Type, handler and error all say that it is a drill.
"""

from typing import Annotated, NoReturn

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from neural.events.registry import handles
from neural.events.schema import Payload
from neural.events.types import EventType, register_event_type
from neural.kit.errors import NeuralError, PermanentError
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import current_run
from neural.models import NeuralEvent

DRILL_RETRY = "drill.retry"
DRILL_DEAD = "drill.dead"

POLICY = RetryPolicy(max_retries=3, base_seconds=1, cap_seconds=1, jitter=0.2)
"""About a second between attempts, so that nobody waits for minutes to see one."""


class DrillFailure(NeuralError):
    """A drill failed on purpose; it may be retried."""


class DrillRefusal(PermanentError):
    """A drill failed on purpose, permanently."""


class RetryDrill(Payload):
    failures: Annotated[int, Field(ge=1, le=POLICY.max_retries)] = 2
    """How many attempts fail before one works."""


class DeadDrill(Payload):
    permanent: bool = False
    """Whether the run is dead at the first attempt instead of after the last retry."""


register_event_type(EventType(name=DRILL_RETRY, schema=RetryDrill))
register_event_type(EventType(name=DRILL_DEAD, schema=DeadDrill))


@handles(DRILL_RETRY, name=DRILL_RETRY, retry=POLICY, title=_("Fire drill: a retry"))
def drill_retry(event: NeuralEvent, drill: RetryDrill) -> str:
    """Fail as often as the drill says, then work."""
    run = current_run()
    failed_before = run.failures if run else 0
    if failed_before < drill.failures:
        raise DrillFailure(
            f"drill: attempt {failed_before + 1} fails on purpose, {drill.failures} will"
        )
    return f"drill: worked after {drill.failures} failed attempts"


@handles(DRILL_DEAD, name=DRILL_DEAD, retry=POLICY, title=_("Fire drill: a dead letter"))
def drill_dead(event: NeuralEvent, drill: DeadDrill) -> NoReturn:
    """Fail until dead."""
    if drill.permanent:
        raise DrillRefusal("drill: fails on purpose, for good")
    raise DrillFailure("drill: fails on purpose, every time")
