"""What rules are, what they read, and what they say."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from neural.health.findings import Status
from neural.health.situation import Situation
from neural.monitoring.alerts.noted import Noted
from neural.monitoring.conf import MonitoringSettings, conf
from neural.monitoring.models import Examination, Severity
from neural.monitoring.rollups import reading

STALE_FIGURES = dt.timedelta(minutes=2)
"""Figures that were added up longer ago than this say nothing about now."""

WATCHED_SINCE = "watched_since"
"""Among an examination's facts: since when relays have examined without a long break."""
NEVER_BROKEN = dt.datetime.min.replace(tzinfo=dt.UTC)

Facts = Mapping[str, Any]
Thresholds = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that a rule finds wrong now."""

    subject: str = ""
    """A queue, a store, a schedule; empty for the whole chain."""
    severity: Severity = Severity.WARNING
    facts: Facts = field(default_factory=dict)
    """JSON values from which the rule's sentence is made, in the language of whoever reads it."""
    store_code: str = ""
    """The only store that it concerns, if there is one."""


def severity_of(*, warning: bool, critical: bool) -> Severity | None:
    """How urgent a value is that has passed these limits; None if it has passed neither. People may
    set the limits in any order."""
    if critical:
        return Severity.CRITICAL
    return Severity.WARNING if warning else None


def every_subject(subject: str) -> bool:
    """The default for ``knows``: the rule knows about each subject."""
    return True


def no_subject(subject: str) -> bool:
    """The rule knows about no subject."""
    return False


def no_figures(subject: str) -> Facts:
    """The rule has no figures of a subject that is well."""
    return {}


@dataclass(frozen=True)
class Judgement:
    """What a rule finds wrong, and of which subjects it knows that nothing is wrong.

    An alert about a subject that the rule does not know about now is neither raised nor resolved.
    """

    conditions: Sequence[Condition] = ()
    knows: Callable[[str], bool] = every_subject
    well: Callable[[str], Facts] = no_figures
    """The figures of a subject of which nothing is wrong, for the rule's ``well`` sentence."""


UNKNOWN = Judgement(knows=no_subject)
"""The rule cannot know: what it would ask does not answer, or was not counted lately."""


def except_for(subjects: Collection[str]) -> Callable[[str], bool]:
    """For ``knows``: the rule knows about each subject but these."""
    return lambda subject: subject not in subjects


@dataclass(kw_only=True)
class View:
    """What rules read. Each part is read once, when first used."""

    situation: Situation
    findings: Mapping[str, Noted]
    """What the probes of doctor have found, by probe."""
    now: dt.datetime
    """The database's time."""
    own_thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Thresholds that people have set, by rule."""

    def thresholds_of(self, rule: "Rule") -> Thresholds:
        """The values of a rule's thresholds: those that people have set, else the settings'."""
        return rule.values(self.own_thresholds.get(rule.name, {}))

    def status(self, probe: str) -> Status:
        """What this probe has found; unknown if it was not run."""
        noted = self.findings.get(probe)
        return noted.status if noted else Status.UNKNOWN

    def is_problem(self, probe: str) -> bool:
        """Whether this probe has found a problem."""
        return self.status(probe) == Status.PROBLEM

    @cached_property
    def watched_since(self) -> dt.datetime:
        """Since when relays have examined without a long break: in a break nothing was received, or
        nobody knows what was."""
        facts = Examination.objects.filter(pk=1).values_list("facts", flat=True).first() or {}
        since = facts.get(WATCHED_SINCE)
        return dt.datetime.fromisoformat(since) if since else NEVER_BROKEN

    @cached_property
    def has_figures(self) -> bool:
        """Whether relays have added figures up lately."""
        until = reading.counted_until()
        patience = STALE_FIGURES + dt.timedelta(seconds=conf().figures_seconds)
        return until is not None and self.now - until < patience


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A number that people may set for a rule."""

    name: str
    label: Any
    """What it means, with its unit; translated lazily."""
    default: Callable[[], float]
    """Reads the value of the settings."""
    setting: str = ""
    """The setting's name in ``NEURAL``, if it has one."""
    least: float = 0
    """The smallest sensible value."""
    most: float | None = None
    """The greatest sensible value, if there is one."""


def from_settings(name: str, label: Any) -> Threshold:
    """A threshold of a rule of monitoring: ``alert_…`` in ``NEURAL``, and its bounds. Its name is
    the setting's without ``alert_``."""
    bounds = MonitoringSettings.model_fields[name].metadata
    return Threshold(
        name=name.removeprefix("alert_"),
        label=label,
        default=lambda: float(getattr(conf(), name)),
        setting=name,
        least=next((each.ge for each in bounds if hasattr(each, "ge")), 0),
        most=next((each.le for each in bounds if hasattr(each, "le")), None),
    )


def no_limits(subject: str, facts: Facts) -> Mapping[str, str]:
    """The page that a rule names shows what its alerts are about without parameters."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: when something is wrong, and how it is told."""

    name: str
    title: Any
    """The alert's title without its subject; translated lazily."""
    chain_title: Any = ""
    """The title of an alert of the whole chain, if the rule has others too; translated lazily."""
    judge: Callable[[View, Thresholds], Judgement]
    """Finds what is wrong. It reads little (an index, a few figures), because relays call it every
    ``examine_seconds``. What it raises is logged, and counts as :data:`UNKNOWN`."""
    sentence: Callable[[str, Facts], str]
    """What is wrong, as a sentence in the active language, from the subject and the facts."""
    well: Callable[[str, Facts], str] | None = None
    """The same of a subject of which nothing is wrong any more, from the judgement's figures."""
    subject_told: Callable[[str], str] = str
    """The subject as people read it, in the active language."""
    thresholds: Sequence[Threshold] = ()
    for_seconds: float = 0
    """How long it must be found without a break before an alert is raised."""
    keep_firing_seconds: float = 60
    """How long it must be gone before an alert that people were told of is resolved."""
    covers: Collection[str] = ()
    """Probes of doctor that look at the same: the general rule of findings leaves them out."""
    page: str = ""
    """The admin page to look at, as in ``neural_taskrun_changelist``."""
    rows: Callable[[str, Facts], Mapping[str, str]] = no_limits
    """The parameters of that page's address which limit it to the rows that the alert is about."""

    def values(self, own: Mapping[str, Any]) -> Thresholds:
        """The values of its thresholds: ``own``, which people have set, else the settings'."""
        return {
            each.name: float(own[each.name]) if each.name in own else each.default()
            for each in self.thresholds
        }
