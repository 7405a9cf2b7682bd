"""Rules: when something is wrong, and how it is told.

A :class:`Rule` judges a :class:`View` of what relays have just seen, and returns a
:class:`Judgement`. The modules of this room register the rules of monitoring; apps add theirs in a
module ``neural_alerts`` by :func:`register_rule`. ``evaluating`` judges them all.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils.translation import get_language

from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.kit.registry import Registry
from neural.kit.thresholds import Thresholds
from neural.monitoring.conf import STALE_AFTER, MonitoringSettings, conf
from neural.monitoring.models import AlertRule, Examination, Severity
from neural.monitoring.rollups import reading

WATCHED_SINCE = "watched_since"
"""Among an examination's facts: since when relays have examined without a long break."""
NEVER_BROKEN = dt.datetime.min.replace(tzinfo=dt.UTC)

Facts = Mapping[str, Any]
Findings = Sequence[Finding] | Mapping[str, Sequence[Finding]]
"""Findings of doctor in one language, or in several, by the language's code."""


@dataclass(frozen=True)
class ProbeFinding:
    """What one probe of doctor has found, with its texts by language."""

    status: Status
    found: dict[str, str] = field(default_factory=dict)
    remedy: dict[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Mapping[str, str]]:
        """The texts, as an alert stores them."""
        return {"found": self.found, "remedy": self.remedy}


def by_probe(findings: Findings) -> dict[str, ProbeFinding]:
    """The findings as rules read them: one for each probe."""
    by_language = findings if isinstance(findings, Mapping) else {get_language() or "": findings}
    result: dict[str, ProbeFinding] = {}
    for language, theirs in by_language.items():
        for each in theirs:
            mine = result.setdefault(each.probe, ProbeFinding(Status(each.status)))
            mine.found[language], mine.remedy[language] = each.found, each.remedy
    return result


def in_language(texts: object) -> str:
    """The text in the active language, or else in any that there is."""
    if not isinstance(texts, Mapping) or not texts:
        return str(texts or "")
    return str(texts.get(get_language() or "") or next(iter(texts.values())))


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


@dataclass(frozen=True)
class Judgement:
    """What a rule finds wrong, and of which subjects it knows that nothing is wrong.

    An alert about a subject that the rule does not know about now is neither raised nor resolved.
    """

    conditions: Sequence[Condition] = ()
    knows: Callable[[str], bool] = lambda subject: True
    well: Callable[[str], Facts] = lambda subject: {}
    """The figures of a subject of which nothing is wrong, for the rule's ``well`` sentence."""


UNKNOWN = Judgement(knows=lambda subject: False)
"""The rule cannot know: what it would ask does not answer, or was not counted lately."""


@dataclass(kw_only=True)
class View:
    """What rules read. Each part is read once, when first used."""

    situation: Situation
    findings: Mapping[str, ProbeFinding]
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
        finding = self.findings.get(probe)
        return finding.status if finding else Status.UNKNOWN

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
        patience = STALE_AFTER + dt.timedelta(seconds=conf().figures_seconds)
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


def from_settings(**labels: Any) -> Sequence[Threshold]:
    """Thresholds of a rule of monitoring, each with its label: ``alert_…`` in ``NEURAL`` has the
    usual value, and the bounds."""
    return [_threshold(name, f"alert_{name}", label) for name, label in labels.items()]


def _threshold(name: str, setting: str, label: Any) -> Threshold:
    bounds = MonitoringSettings.model_fields[setting].metadata
    return Threshold(
        name=name,
        label=label,
        default=lambda: float(getattr(conf(), setting)),
        setting=setting,
        least=next((each.ge for each in bounds if hasattr(each, "ge")), 0),
        most=next((each.le for each in bounds if hasattr(each, "le")), None),
    )


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
    subject_title: Callable[[str], str] = str
    """The subject as people read it, in the active language."""
    thresholds: Sequence[Threshold] = ()
    for_seconds: float = 0
    """How long it must be found without a break before an alert is raised."""
    keep_firing_seconds: float = 60
    """How long it must be gone before an alert that people were told of is resolved."""
    of_stores: bool = False
    """Whether it may be judged of some stores alone (``view.situation.stores``), for the home of
    those who see no others; its facts then tell of nothing else."""
    remedy: Any = ""
    """What to do, where no probe of doctor says it; translated lazily."""
    page: str = ""
    """The admin page to look at, as in ``neural_taskrun_changelist``."""
    rows: Callable[[str, Facts], Mapping[str, str]] = lambda subject, facts: {}
    """The parameters of that page's address which limit it to the rows that the alert is about."""

    def values(self, own: Mapping[str, Any]) -> Thresholds:
        """The values of its thresholds: ``own``, which people have set, else the settings'."""
        return {
            each.name: float(own[each.name]) if each.name in own else each.default()
            for each in self.thresholds
        }


RULES: Registry[Rule] = Registry("alert rule")


def register_rule(rule: Rule) -> Rule:
    """Have relays judge this rule, too. Call it in an app's module ``neural_alerts``, which is
    imported at start."""
    return RULES.add(rule.name, rule)


def thresholds_in_force(rule: str) -> Thresholds:
    """The thresholds of a rule: those that people have set, else the settings'."""
    own = AlertRule.objects.filter(pk=rule).values_list("thresholds", flat=True).first()
    return RULES.get(rule).values(own or {})
