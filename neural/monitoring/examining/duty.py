"""The relay's duty: an examination every ``examine_seconds``, by one of the relays.

It shares the thread of the relay's heartbeat. So it is done in slices: a turn runs probes for
:data:`TURN_SECONDS`, and what is left over comes in the next turns. No probe takes longer than the
short timeouts of the relay's database connection and of the broker's probe. A thread of its own
would need a connection of its own, which must not be open while the process forks.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import translation

from neural.health.examination import ask, of_running_system
from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.ledger.clock import database_clock
from neural.monitoring.alerts import evaluating
from neural.monitoring.alerts.rules import WATCHED_SINCE
from neural.monitoring.conf import conf
from neural.monitoring.examining.facts import WatchedSituation, facts_of
from neural.monitoring.models import Examination

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.25
SHORTEST_SLEEP_SECONDS = 0.5
BREAK = dt.timedelta(minutes=5)
"""Without an examination for so long, relays did not watch."""

Findings = Mapping[str, Sequence[Finding]]
"""Findings by language."""


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
        left = seconds_left(seconds)
        has_it = left <= 0 and take_lease(seconds)
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
    facts[WATCHED_SINCE] = watched_since(before, now=situation.now)
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


def seconds_left(seconds: float) -> float:
    """For how long the present lease holds, by the database's clock; 0 if it has ended.

    A reading costs no lock, so relays read before they try to take it.
    """
    began = Examination.objects.filter(pk=1).values_list("began_at", flat=True).first()
    if began is None:
        return 0.0
    left = seconds - (database_clock() - began).total_seconds()
    return left if 0 < left <= seconds else 0.0  # the clock may have been set back


def take_lease(seconds: float) -> bool:
    """Take the lease if nobody took it within so many seconds. Of several relays, one gets it."""
    length = dt.timedelta(seconds=seconds)
    ended = Q(began_at=None) | Q(began_at__lte=Now() - length) | Q(began_at__gt=Now() + length)
    if Examination.objects.filter(ended, pk=1).update(began_at=Now()):
        return True
    if Examination.objects.filter(pk=1).exists():
        return False
    Examination.objects.bulk_create([Examination(pk=1)], ignore_conflicts=True)
    return bool(Examination.objects.filter(ended, pk=1).update(began_at=Now()))


def languages() -> list[str]:
    """The codes of the project's languages, its own first."""
    return list(dict.fromkeys([settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]))


def probing(situation: Situation) -> Iterator[Mapping[str, Finding]]:
    """Each check's finding by language. A caller may pause between two of them."""
    for check in of_running_system():
        found = {}
        for language in languages():
            with translation.override(language):
                found[language] = ask(check, situation)
        yield found


def as_json(findings: Findings) -> dict[str, list[dict[str, Any]]]:
    """Findings as they are kept in the row."""
    return {language: [asdict(each) for each in own] for language, own in findings.items()}


def since(findings: Sequence[Finding], before: Mapping[str, str], *, now: str) -> Mapping[str, str]:
    """When each finding that is not well began, by its probe: kept from the examination before, or
    now."""
    unwell = [each.probe for each in findings if each.status in (Status.PROBLEM, Status.WARNING)]
    return {probe: before.get(probe, now) for probe in unwell}


def watched_since(before: Mapping[str, Any], *, now: dt.datetime) -> str:
    """Since when examinations have come without a long break, given the facts of the one before."""
    last, since = before.get("at"), before.get(WATCHED_SINCE)
    has_gone_on = last and now - dt.datetime.fromisoformat(last) < BREAK
    return since if since and has_gone_on else now.isoformat()
