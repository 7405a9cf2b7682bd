"""What the last examination kept, as the home shows it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language

from neural.health.findings import Finding, Status
from neural.ledger.clock import database_clock
from neural.monitoring.conf import conf
from neural.monitoring.console.shown import moment_of
from neural.monitoring.models import Examination

STALE = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class Watched:
    """The last examination; empty if there was none."""

    now: dt.datetime
    """The database's time."""
    ended_at: dt.datetime | None = None
    findings: Sequence[Finding] = ()
    """In the reader's language."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stale(self) -> bool:
        """Whether no relay has looked for so long that what was found may no longer hold."""
        longest = max(STALE, dt.timedelta(seconds=4 * conf().examine_seconds))
        return self.ended_at is None or self.now - self.ended_at > longest

    @property
    def queues(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.facts.get("queues", {})
        return found

    @property
    def processes(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.facts.get("processes", ())
        return found

    @property
    def is_broker_away(self) -> bool:
        return self.facts.get("broker", {}).get("up") is False

    def since(self, probe: str) -> dt.datetime | None:
        """Since when the probe has found what needs somebody."""
        return moment_of(self.facts.get("since", {}).get(probe))


def watched() -> Watched:
    """Read the last examination."""
    row = Examination.objects.filter(pk=1).first()
    now = database_clock()
    if row is None or row.ended_at is None:
        return Watched(now)
    kept = row.findings.get(get_language()) or next(iter(row.findings.values()), ())
    findings = [Finding(**{**each, "status": Status(each["status"])}) for each in kept]
    return Watched(now, row.ended_at, findings, row.facts)
