"""Filters of the audit log. The acts to choose from are those that it has."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.admin.audit_titles import title_of
from neural.admin.filters import EqualityFilter, TextFilter, choice_filter
from neural.ledger.clock import database_clock
from neural.models import AuditEntry, AuditOutcome, AuditSource

PERIODS = {"1": _("last day"), "7": _("last 7 days"), "30": _("last 30 days")}

# One look into the index for each act, where DISTINCT would read all of it.
EACH_ACTION = """
WITH RECURSIVE each(action) AS (
    SELECT min(action) FROM {table}
    UNION ALL
    SELECT (SELECT min(action) FROM {table} WHERE action > each.action)
    FROM each WHERE each.action IS NOT NULL
) SELECT action FROM each WHERE action IS NOT NULL
"""


def actions_there() -> list[str]:
    """The codes of all acts in the log."""
    connection = connections[AuditEntry.objects.db]
    table = connection.ops.quote_name(AuditEntry._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(EACH_ACTION.format(table=table))
        return [code for (code,) in cursor.fetchall()]


def began(days: str | None) -> dt.datetime | None:
    """When the period of these days began; None if it is no period."""
    return database_clock() - dt.timedelta(days=int(days)) if days in PERIODS else None


class PeriodFilter(EqualityFilter):
    title = pgettext_lazy("audit log", "period")
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return list(PERIODS.items())

    def condition(self, value: str) -> Q:
        beginning = began(value)
        return Q(at__gte=beginning) if beginning else Q(pk=None)


class WhoFilter(TextFilter):
    title = _("who")
    parameter_name = "actor"


class ActionFilter(EqualityFilter):
    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return sorted(
            ((code, title_of(code)) for code in actions_there()), key=lambda each: each[1]
        )


SourceFilter = choice_filter(_("source"), "source", AuditSource)
OutcomeFilter = choice_filter(pgettext_lazy("audit log", "outcome"), "outcome", AuditOutcome)
