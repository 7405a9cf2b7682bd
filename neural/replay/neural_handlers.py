"""The drills' event types and handlers."""

from neural.events.registry import handles
from neural.events.types import EventType, register_event_type
from neural.ledger.work import current_run
from neural.models import NeuralEvent
from neural.replay import drills

register_event_type(EventType(name=drills.DRILL_RETRY, schema=drills.RetryDrill))
register_event_type(EventType(name=drills.DRILL_DEAD, schema=drills.DeadDrill))


@handles(drills.DRILL_RETRY, name=drills.DRILL_RETRY, retry=drills.POLICY)
def drill_retry(event: NeuralEvent, drill: drills.RetryDrill) -> str:
    """Fail as often as the drill says, then work."""
    run = current_run()
    failed_before = run.failures if run else 0
    return drills.fail_then_work(failures=drill.failures, failed_before=failed_before)


@handles(drills.DRILL_DEAD, name=drills.DRILL_DEAD, retry=drills.POLICY)
def drill_dead(event: NeuralEvent, drill: drills.DeadDrill) -> None:
    """Fail until dead."""
    drills.fail(permanent=drill.permanent)
