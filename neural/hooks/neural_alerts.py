"""The alert rule of pushes that do not arrive; neural.monitoring imports it if it is installed."""

import datetime as dt
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.hooks.models import Reconciliation, ReconciliationState, WebhookSource
from neural.monitoring.alerts.rules import (
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    register_rule,
)

LATELY = dt.timedelta(days=2)
"""Older reports say nothing about now."""
LONGEST = dt.timedelta(hours=6)
"""A reconciliation that has not ended by then has failed."""


def _pushes_missed(view: View, thresholds: Thresholds) -> Judgement:
    """The last report of a source failed, or found much that no push had brought."""
    mine = Reconciliation.objects.filter(source=OuterRef("pk"), created_at__gt=view.now - LATELY)
    sources = WebhookSource.objects.filter(active=True).defer("credentials")
    with_last = sources.annotate(last=Subquery(mine.order_by("-pk").values("pk")[:1]))
    newest = dict(with_last.exclude(last=None).values_list("name", "last"))
    rows = Reconciliation.objects.select_related("source").defer("source__credentials")
    by_key = rows.in_bulk(newest.values())
    found = [
        Condition(subject=name, facts=facts, store_code=by_key[pk].source.store_id or "")
        for name, pk in newest.items()
        if (facts := _wrong(by_key[pk], view.now, thresholds))
    ]
    return Judgement(found)


def _wrong(row: Reconciliation, now: dt.datetime, thresholds: Thresholds) -> dict[str, Any]:
    facts: dict[str, Any] = {"day": row.day.isoformat(), "found": row.found, "missed": row.missed}
    if row.failures:
        return {**facts, "reason": row.failures[0]["reason"]}
    if row.state == ReconciliationState.ASKING and now - row.created_at > LONGEST:
        return {**facts, "reason": "it has not ended"}
    is_much = row.missed >= max(
        thresholds["pushes_missed"], thresholds["pushes_missed_percent"] / 100 * row.found
    )
    return facts if row.missed and is_much else {}


def _sentence(subject: str, facts: Facts) -> str:
    values = {"source": subject, **facts}
    if "reason" in facts:
        text = _("asking %(source)s for what was missed on %(day)s failed: %(reason)s")
    else:
        text = _("of %(found)d that %(source)s has of %(day)s, no push had brought %(missed)d")
    return text % values


PUSHES_MISSED = Rule(
    name="pushes_missed",
    title=gettext_lazy("Pushes do not arrive"),
    judge=_pushes_missed,
    sentence=_sentence,
    page="neural_hooks_reconciliation_changelist",
    thresholds=from_settings(
        pushes_missed=gettext_lazy("missed, at least"),
        pushes_missed_percent=gettext_lazy("missed, at least (%)"),
    ),
)
register_rule(PUSHES_MISSED)
