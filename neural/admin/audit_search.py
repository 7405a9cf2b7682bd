"""The search of the audit log: by who, by a row, or by words of the reason."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from neural.admin.audit_titles import models_by_noun
from neural.admin.scope import FEW, MOST_FOUND
from neural.models import AuditedRow, AuditEntry, TaskRun

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
