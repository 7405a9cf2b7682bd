"""The alert rule of search; neural.monitoring imports it if it is installed."""

from django.utils.translation import gettext_lazy

from neural.health.findings import in_turn
from neural.monitoring.alerts.rules import (
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    in_language,
    register_rule,
    severity_of,
)
from neural.monitoring.models import Severity
from neural.retrieval.conf import conf
from neural.retrieval.index.lag import Lag, index_lag


def _index_behind(view: View, thresholds: Thresholds) -> Judgement:
    """Live changes that wait too long; history may wait. Indexing that is blocked is critical."""
    if not conf().search:
        return Judgement()
    lag = index_lag(now=view.now)
    severity = severity_of(
        warning=lag.live_seconds > thresholds["index_behind_seconds"],
        critical=lag.live_seconds > thresholds["index_behind_critical_seconds"],
    )
    facts: Facts = {"waiting": lag.waiting, "seconds": round(lag.oldest_seconds)}
    if lag.troubles:
        severity, facts = Severity.CRITICAL, {"found": in_turn(lag.troubles)}
    return Judgement([Condition(severity=severity, facts=facts)] if severity else [])


def _sentence(subject: str, facts: Facts) -> str:
    if "found" in facts:
        return in_language(facts["found"])
    return Lag(waiting=facts["waiting"], oldest_seconds=facts["seconds"]).text


INDEX_BEHIND = Rule(
    name="index_behind",
    title=gettext_lazy("The search index is behind"),
    judge=_index_behind,
    sentence=_sentence,
    page="neural_retrieval_searchindex_changelist",
    thresholds=from_settings(
        index_behind_seconds=gettext_lazy("warning (s)"),
        index_behind_critical_seconds=gettext_lazy("critical (s)"),
    ),
)
register_rule(INDEX_BEHIND)
