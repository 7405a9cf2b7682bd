"""The search of the audit log (by who, by a row, or by words of the reason), its filters, and the
rows that entries name, as links where a user may see them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import npgettext, pgettext_lazy

from neural.admin.display import NOTHING, link, name_of, one_line
from neural.admin.filters import EqualityFilter, TextFilter, choice_filter
from neural.admin.scope import FEW
from neural.audit.titles import kind_of, models_by_noun, title_of
from neural.kit.keyset.exact import MOST_FOUND
from neural.ledger.clock import database_clock
from neural.models import AuditedRow, AuditEntry, AuditOutcome, AuditSource, TaskRun

MOST_KEY = 255


def found_by(request: Any, queryset: QuerySet, term: str) -> QuerySet:
    """The entries that a term means. The first meaning with an entry is taken."""
    if not term:
        return queryset
    if "\0" in term:
        return queryset.none()
    if keys := _of_row(term):
        request.searched = FEW
        return queryset.filter(pk__in=keys)
    if AuditEntry.objects.filter(actor=term).exists():
        return _limited(request, queryset, actor=term)
    return _limited(request, queryset, reason__icontains=term)


def entries_about(model: type[Model], key: Any) -> QuerySet:
    """What the log has about a row, of each act the newest entry; to be limited."""
    about = AuditedRow.objects.filter(model=model._meta.label_lower, object_id=str(key))
    return about.standing("entry_id").order_by("-entry_id")


def _limited(request: HttpRequest, queryset: QuerySet, **limit: str) -> QuerySet:
    """Say what limits the rows, for the choice of the index: words of reasons have none, so a page
    reads the next rows alone."""
    request.searched_as = limit  # type: ignore[attr-defined]
    return queryset.filter(**limit)


def _of_row(term: str) -> list[int]:
    run = TaskRun.objects.filter(task_id=term).values_list("pk", flat=True).first()
    if run is not None:
        return _keys(TaskRun, str(run))
    name, _space, key = term.rpartition(" ")
    model = models_by_noun().get(name) or _by_label(name)
    return _keys(model, key.removeprefix("#")) if model else []


def _by_label(label: str) -> type[Model] | None:
    found = (each for each in models_by_noun().values() if each._meta.label_lower == label.lower())
    return next(found, None)


def _keys(model: type[Model], key: str) -> list[int]:
    about = entries_about(model, key[:MOST_KEY])
    return list(about.values_list("entry_id", flat=True)[:MOST_FOUND])


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


ActionFilter = choice_filter(
    _("action"),
    "action",
    lambda: sorted(((code, title_of(code)) for code in actions_there()), key=lambda each: each[1]),
)
SourceFilter = choice_filter(_("source"), "source", AuditSource)
OutcomeFilter = choice_filter(pgettext_lazy("audit log", "outcome"), "outcome", AuditOutcome)


Seen = dict[tuple[str, str], Model]


def seen_rows(
    request: HttpRequest, site: AdminSite, entries: Iterable[AuditEntry], *, most: int
) -> Seen:
    """The first ``most`` rows of each entry that are still there and that the user may see, by
    model and key. One query for each model."""
    asked: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        asked[entry.target_model].update(entry.target_ids[:most])
    found: Seen = {}
    for label, keys in asked.items():
        found |= {(label, str(row.pk)): row for row in _visible(request, site, label, keys)}
    return found


def _visible(
    request: HttpRequest, site: AdminSite, label: str, keys: set[str]
) -> QuerySet | Sequence[Model]:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return ()
    if not site.is_registered(model):
        return ()
    pages = site.get_model_admin(model)
    if not pages.has_view_or_change_permission(request):
        return ()
    try:
        return list(pages.get_queryset(request).filter(pk__in=keys))
    except (ValueError, ValidationError):  # a model whose keys are of another kind today
        return ()


def links_to_rows(entry: AuditEntry, seen: Seen, *, most: int) -> SafeString | str:
    """The first rows of an entry, and how many more it names."""
    if not entry.target_model:
        return NOTHING
    kind = kind_of(entry.target_model)
    visible = [_row(entry, key, kind, seen) for key in entry.target_ids[:most]]
    text = format_html_join(mark_safe("<br>"), "{}", ((each,) for each in visible))
    more = len(entry.target_ids) - len(visible)
    if more <= 0:
        return text or kind
    message = npgettext("audit log", "and %(count)d more", "and %(count)d more", more)
    return format_html("{}<br>{}", text, message % {"count": more})


def _row(entry: AuditEntry, key: str, kind: str, seen: Seen) -> Any:
    row: Any = seen.get((entry.target_model, key))
    return f"{kind} {key}" if row is None else link(row, one_line(_name(row, kind)))


def _name(row: Any, kind: str) -> str:
    """The row as it shows itself, with its kind unless it begins with it."""
    name = name_of(row)
    return name if name.startswith(kind) else f"{kind} {name}"
