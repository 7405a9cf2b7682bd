"""The relay's duty: an examination every ``examine_seconds``, by one of the relays.

It shares the thread of the relay's heartbeat. So it is done in slices: a turn runs probes for
:data:`TURN_SECONDS`, and what is left over comes in the next turns. No probe takes longer than the
short timeouts of the relay's database connection and of the broker's probe. A thread of its own
would need a connection of its own, which must not be open while the process forks.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.conf import settings
from django.db.models.functions import Now

from neural.health.findings import Finding
from neural.health.situation import Situation
from neural.monitoring.alerts import evaluating, judging
from neural.monitoring.conf import conf
from neural.monitoring.examining import lease
from neural.monitoring.examining.facts import WatchedSituation, facts_of
from neural.monitoring.examining.probing import as_json, languages, probing, since, watched_since
from neural.monitoring.models import Examination

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.25
SHORTEST_SLEEP_SECONDS = 0.5


class Examining:
    """What one relay does of examinations: waits for the lease, then works through its probes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next_look = -float("inf")
        self._steps: Iterator[None] | None = None

    def turn(self) -> None:
        """Do one slice, if there is anything to do."""
        if self._steps is None and not self._has_lease():
            return
        steps, self._steps = self._steps or examination(), None
        ends_at = self._monotonic() + TURN_SECONDS
        for _ in steps:  # an error gives this examination up; the next one comes
            if self._monotonic() >= ends_at:
                self._steps = steps
                return

    def _has_lease(self) -> bool:
        now = self._monotonic()
        if now < self._next_look:
            return False
        seconds = conf().examine_seconds
        left = lease.seconds_left(seconds)
        has_it = left <= 0 and lease.take(seconds)
        self._next_look = now + max(left or seconds, SHORTEST_SLEEP_SECONDS)
        return has_it


def examination() -> Iterator[None]:
    """Examine, keep what was found and hand it to the rules of alerts, in steps that each are
    short."""
    situation = WatchedSituation()
    found: dict[str, list[Finding]] = {language: [] for language in languages()}
    yield
    for each in probing(situation):
        for language, finding in each.items():
            found[language].append(finding)
        yield
    _keep(situation, found)
    yield
    evaluate(situation, found)


def _keep(situation: Situation, found: dict[str, list[Finding]]) -> None:
    facts = facts_of(situation)
    row = Examination.objects.filter(pk=1)
    before = row.values_list("facts", flat=True).first() or {}
    facts["since"] = since(
        found[settings.LANGUAGE_CODE], before.get("since", {}), now=situation.now.isoformat()
    )
    facts[judging.WATCHED_SINCE] = watched_since(before, now=situation.now)
    row.update(ended_at=Now(), findings=as_json(found), facts=facts)


def evaluate(situation: Situation, found: Mapping[str, Sequence[Finding]]) -> None:
    """Have the rules of alerts judge what was found, by language. An error there is logged; the
    examination is kept already."""
    try:
        evaluating.evaluate(situation, found, now=situation.now)
    except Exception as error:
        logger.warning("event=evaluation_failed error=%r", str(error), exc_info=True)


_examining = Examining()


def examine_when_due() -> None:
    """The duty itself."""
    _examining.turn()
