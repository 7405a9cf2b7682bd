"""Rules about runs that fail."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.health.findings import span
from neural.ledger.work import work_text, work_title
from neural.models import RunState
from neural.monitoring.alerts.rules import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    register_rule,
    severity_of,
)
from neural.monitoring.alerts.rules.silence import hour_of
from neural.monitoring.rollups import reading
from neural.runs.query import EVER

RUNS_PAGE = "neural_taskrun_changelist"


def _lately(view: View, seconds: float) -> tuple[float, Mapping[str, Counter[str]]]:
    """Attempts, failed attempts and dead runs of the last so many seconds, by work; and how many
    seconds these are. Figures of stores are by hour: the hour in which the time began is whole."""
    since = view.now - dt.timedelta(seconds=seconds)
    if view.situation.stores is None:
        figures = reading.by_minute(since, view.now, by=("work",))
    else:
        since = hour_of(since)
        figures = reading.by_hour(since, view.now, by=("work",), stores=view.situation.stores)
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for by_work in figures.values():
        for (work,), own in by_work.items():
            sums[work].update(attempts=own.attempts, failed=own.failed, dead=own.dead)
    return (view.now - since).total_seconds(), sums


def _dead_letters(view: View, thresholds: Thresholds) -> Judgement:
    if not view.has_figures:
        return UNKNOWN
    seconds, lately = _lately(view, thresholds["dead_letters_seconds"])
    by_work = {work: own["dead"] for work, own in lately.items() if own["dead"]}
    dead = sum(by_work.values())
    warning, critical = thresholds["dead_letters"], thresholds["dead_letters_critical"]
    severity = severity_of(warning=dead >= warning, critical=dead >= critical)
    most = max(sorted(by_work), key=lambda work: by_work[work], default="")
    facts = {"dead": dead, "seconds": seconds, "work": most, "of_work": by_work.get(most, 0)}
    found = [Condition(severity=severity, facts=facts)] if severity else []
    return Judgement(found, well=lambda subject: facts)


def _dead_sentence(subject: str, facts: Facts) -> str:
    if not facts["dead"]:
        return _("no run died within %(span)s") % {"span": span(facts["seconds"])}
    text = ngettext(
        "%(dead)d run died within %(span)s, of %(work)s",
        "%(dead)d runs died within %(span)s, %(of_work)d of %(work)s",
        facts["dead"],
    )
    work = work_text(facts["work"])
    return text % {**facts, "work": work, "span": span(facts["seconds"])}


def _dead_rows(subject: str, facts: Facts) -> Mapping[str, str]:
    rows = {"state": RunState.DEAD.value, "period": EVER}
    is_one_work = facts.get("dead") and facts["of_work"] == facts["dead"]
    return rows | ({"work": facts["work"]} if is_one_work else {})


DEAD_LETTERS = Rule(
    name="dead_letters",
    title=gettext_lazy("Runs die"),
    judge=_dead_letters,
    sentence=_dead_sentence,
    well=_dead_sentence,
    of_stores=True,
    page=RUNS_PAGE,
    rows=_dead_rows,
    thresholds=from_settings(
        dead_letters=gettext_lazy("warning (dead runs)"),
        dead_letters_critical=gettext_lazy("critical (dead runs)"),
        dead_letters_seconds=gettext_lazy("counted within (s)"),
    ),
)


def _failure_rate(view: View, thresholds: Thresholds) -> Judgement:
    if not view.has_figures:
        return UNKNOWN
    found = []
    seconds, lately = _lately(view, thresholds["failure_rate_seconds"])
    for work, own in lately.items():
        share = own["failed"] / own["attempts"] if own["attempts"] else 0.0
        warning, critical = thresholds["failure_rate"], thresholds["failure_rate_critical"]
        severity = severity_of(warning=share >= warning, critical=share >= critical)
        if severity is None or own["attempts"] < thresholds["failure_rate_attempts"]:
            continue
        found.append(Condition(subject=work, severity=severity, facts=_share(own, seconds)))
    return Judgement(found, well=lambda work: _share(lately.get(work, Counter()), seconds))


def _share(own: Counter[str], seconds: float) -> Facts:
    return {"failed": own["failed"], "attempts": own["attempts"], "seconds": seconds}


def _failure_sentence(subject: str, facts: Facts) -> str:
    values = {**facts, "work": work_text(subject), "span": span(facts["seconds"])}
    if not facts["attempts"]:
        return _("no attempt of %(work)s ended within %(span)s") % values
    values["percent"] = 100 * facts["failed"] / facts["attempts"]
    text = _(
        "%(failed)d of %(attempts)d attempts of %(work)s failed within %(span)s (%(percent).0f %%)"
    )
    return text % values


FAILURE_RATE = Rule(
    name="failure_rate",
    title=gettext_lazy("Many attempts fail"),
    judge=_failure_rate,
    sentence=_failure_sentence,
    well=_failure_sentence,
    subject_title=work_title,
    of_stores=True,
    page=RUNS_PAGE,
    rows=lambda work, facts: {"work": work, "tries": "1"},
    thresholds=from_settings(
        failure_rate=gettext_lazy("warning (share, 0 to 1)"),
        failure_rate_critical=gettext_lazy("critical (share, 0 to 1)"),
        failure_rate_attempts=gettext_lazy("judged from (attempts)"),
        failure_rate_seconds=gettext_lazy("counted within (s)"),
    ),
)

for each in (DEAD_LETTERS, FAILURE_RATE):
    register_rule(each)
