"""The rows that entries of the audit log name: as links, where a user may see them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import npgettext

from neural.admin.audit_titles import kind_of
from neural.admin.display import NOTHING, link, name_of, one_line
from neural.models import AuditEntry

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


def rows_shown(entry: AuditEntry, seen: Seen, *, most: int) -> SafeString | str:
    """The first rows of an entry, and how many more it names."""
    if not entry.target_model:
        return NOTHING
    kind = kind_of(entry.target_model)
    shown = [_row(entry, key, kind, seen) for key in entry.target_ids[:most]]
    text = format_html_join(mark_safe("<br>"), "{}", ((each,) for each in shown))
    more = len(entry.target_ids) - len(shown)
    if more <= 0:
        return text or kind
    told = npgettext("audit log", "and %(count)d more", "and %(count)d more", more)
    return format_html("{}<br>{}", text, told % {"count": more})


def _row(entry: AuditEntry, key: str, kind: str, seen: Seen) -> Any:
    row: Any = seen.get((entry.target_model, key))
    return f"{kind} {key}" if row is None else link(row, one_line(_name(row, kind)))


def _name(row: Any, kind: str) -> str:
    """The row as it shows itself, with its kind unless it begins with it."""
    name = name_of(row)
    return name if name.startswith(kind) else f"{kind} {name}"
