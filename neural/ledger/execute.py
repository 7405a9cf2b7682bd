"""Running what was claimed, and recording what became of it."""

import logging
from collections.abc import Sequence

from neural.ledger.alone import run_alone
from neural.ledger.batch import LimitStruck, after_the_limit, run_together
from neural.ledger.log import tell_outcomes, tell_started
from neural.ledger.outcome import Outcome
from neural.ledger.raised import describe
from neural.ledger.work import Clock, WorkSource
from neural.models import TaskRun

logger = logging.getLogger(__name__)


def run_claimed(source: WorkSource, runs: Sequence[TaskRun]) -> list[Outcome]:
    """Work on claimed runs and record what became of each."""
    clock = Clock.of(runs[0])
    tell_started(runs)
    if len(runs) == 1:
        return [run_alone(source, runs[0], clock)]
    try:
        outcomes = run_together(source, runs, clock)
    except LimitStruck as struck:
        return after_the_limit(struck, runs, clock)
    except Exception as error:  # noqa: BLE001
        # A deadlock, a broken connection, one run taken away: nothing of the batch was kept.
        logger.warning("event=batch_undone runs=%d error=%r", len(runs), describe(error))
        return [run_alone(source, run, clock) for run in runs]
    tell_outcomes(outcomes)
    return outcomes
