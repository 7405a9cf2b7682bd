"""Rules about runs that fail."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.health.findings import span
from neural.ledger.titles import told_work, work_title
from neural.monitoring.alerts.judging import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    severity_of,
)
from neural.monitoring.alerts.rules import register_rule
from neural.monitoring.rollups import reading

RUNS_PAGE = "neural_taskrun_changelist"


def _lately(view: View, seconds: float) -> Mapping[str, Counter[str]]:
    """Attempts, failed attempts and dead runs of the last so many seconds, by work."""
    since = view.now - dt.timedelta(seconds=seconds)
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for minute in reading.by_minute(since, view.now, by=("work",)).values():
        for (work,), own in minute.items():
            sums[work].update(attempts=own.attempts, failed=own.failed, dead=own.dead)
    return sums


def _dead_letters(view: View, thresholds: Thresholds) -> Judgement:
    if not view.has_figures:
        return UNKNOWN
    seconds = thresholds["dead_letters_seconds"]
    by_work = {work: own["dead"] for work, own in _lately(view, seconds).items() if own["dead"]}
    dead = sum(by_work.values())
    warning, critical = thresholds["dead_letters"], thresholds["dead_letters_critical"]
    severity = severity_of(warning=dead >= warning, critical=dead >= critical)
    if severity is None:
        return Judgement()
    most = max(sorted(by_work), key=lambda work: by_work[work])
    facts = {"dead": dead, "seconds": seconds, "work": most, "of_work": by_work[most]}
    return Judgement([Condition(severity=severity, facts=facts)])


def _dead_told(subject: str, facts: Facts) -> str:
    text = ngettext(
        "%(dead)d run died within %(span)s, of %(work)s",
        "%(dead)d runs died within %(span)s, %(of_work)d of %(work)s",
        facts["dead"],
    )
    work = told_work(facts["work"])
    return text % {**facts, "work": work, "span": span(facts["seconds"])}


DEAD_LETTERS = register_rule(
    Rule(
        name="dead_letters",
        title=gettext_lazy("Runs die"),
        judge=_dead_letters,
        sentence=_dead_told,
        covers=("dead letters",),
        page=RUNS_PAGE,
        thresholds=(
            from_settings("alert_dead_letters", gettext_lazy("warning (dead runs)")),
            from_settings("alert_dead_letters_critical", gettext_lazy("critical (dead runs)")),
            from_settings("alert_dead_letters_seconds", gettext_lazy("counted within (s)")),
        ),
    )
)


def _failure_rate(view: View, thresholds: Thresholds) -> Judgement:
    if not view.has_figures:
        return UNKNOWN
    found = []
    for work, own in _lately(view, thresholds["failure_rate_seconds"]).items():
        share = own["failed"] / own["attempts"] if own["attempts"] else 0.0
        warning, critical = thresholds["failure_rate"], thresholds["failure_rate_critical"]
        severity = severity_of(warning=share >= warning, critical=share >= critical)
        if severity is None or own["attempts"] < thresholds["failure_rate_attempts"]:
            continue
        facts = {
            "failed": own["failed"],
            "attempts": own["attempts"],
            "seconds": thresholds["failure_rate_seconds"],
        }
        found.append(Condition(subject=work, severity=severity, facts=facts))
    return Judgement(found)


def _failure_told(subject: str, facts: Facts) -> str:
    return _(
        "%(failed)d of %(attempts)d attempts of %(work)s failed within %(span)s (%(percent).0f %%)"
    ) % {
        **facts,
        "work": told_work(subject),
        "span": span(facts["seconds"]),
        "percent": 100 * facts["failed"] / facts["attempts"],
    }


FAILURE_RATE = register_rule(
    Rule(
        name="failure_rate",
        title=gettext_lazy("Many attempts fail"),
        judge=_failure_rate,
        sentence=_failure_told,
        subject_told=work_title,
        covers=("failures",),
        page=RUNS_PAGE,
        thresholds=(
            from_settings("alert_failure_rate", gettext_lazy("warning (share, 0 to 1)")),
            from_settings("alert_failure_rate_critical", gettext_lazy("critical (share, 0 to 1)")),
            from_settings("alert_failure_rate_attempts", gettext_lazy("judged from (attempts)")),
            from_settings("alert_failure_rate_seconds", gettext_lazy("counted within (s)")),
        ),
    )
)
