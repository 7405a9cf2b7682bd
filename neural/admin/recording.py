"""Records what people do in the admin: in the audit log, and in the log of Django's admin; what its
forms do, and what it refuses, too.

Django's log is what a row's page shows as its history. Its texts are stored in English and
translated when they are displayed. The audit log has more, and is only ever added to.

Our own pages record by themselves. For another admin: ``audited(YourAdmin)``; it is already done
for the pages of users and groups, where permissions are given and taken.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model
from django.forms import BooleanField, IntegerField, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from neural.admin.forms import reason_in
from neural.audit import action_of, record_user
from neural.models import AuditOutcome

MOST_NAMES = 100
MOST_ROWS = 100
"""Rows of a refused selection that an entry names: as many as a page of a list has."""

Admin = type[Any]


def log_changes(
    *,
    user: Any,
    rows: Sequence[Model],
    change: str,
    action: str,
    details: str = "",
    reason: str = "",
) -> None:
    """Record an act on rows of one model, in both logs. ``change`` is a text marked by
    ``gettext_noop``; ``details`` and ``reason`` are a person's own words. ``action`` is what was
    done, like ``retry``, or the whole code."""
    if rows:
        with transaction.atomic():
            log_in_history(user=user, rows=rows, change=change, details=details or reason)
            code = action if "." in action else action_of(type(rows[0]), action)
            record_user(
                user,
                action=code,
                rows=rows,
                details={"changes": [change]},
                reason=reason or details,
            )


def log_in_history(*, user: Any, rows: Sequence[Model], change: str, details: str = "") -> None:
    """Write an entry for each row into Django's log alone."""
    message = [{"changed": {"fields": [change, details] if details else [change]}}]
    LogEntry.objects.log_actions(user.pk, rows, CHANGE, message)


class Audited(admin.ModelAdmin):
    """An admin whose forms, and what it refuses, leave entries in the audit log.

    Django calls ``log_addition`` and its like within the transaction of the change, so both commit
    together.
    """

    @property
    def urls(self) -> list[URLPattern]:
        """The addresses; what is posted to them, and refused, leaves an entry."""
        patterns: list[URLPattern] = super().urls
        for pattern in patterns:
            pattern.callback = _watched(pattern.callback, self, str(pattern.name))
        return patterns

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's entry, and ours."""
        with transaction.atomic():
            _record_form(request, obj, message, "add")
            return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's entry, and ours."""
        with transaction.atomic():
            _record_form(request, obj, message, "change")
            return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Django's entries, and ours with names: nobody can look up any more what the keys stood
        for."""
        with transaction.atomic():
            if rows := list(queryset):
                record_user(
                    request.user,
                    action=action_of(type(rows[0]), "delete"),
                    rows=rows,
                    details={"names": [str(row)[:200] for row in rows[:MOST_NAMES]]},
                )
            return super().log_deletions(request, queryset)

    def construct_change_message(
        self, request: HttpRequest, form: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Django's message; what the form changed is compared for the entry."""
        request._compared = compared(form)  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, *args, **kwargs)


def audited(model_admin: Admin) -> Admin:
    """Decorator: makes another admin one that is :class:`Audited`, in its own class, so that it
    holds on every site and in every subclass."""
    if not issubclass(model_admin, Audited):
        model_admin.__bases__ = (Audited, *model_admin.__bases__)
    return model_admin


def _record_form(request: HttpRequest, row: Model, message: Any, act: str) -> None:
    details = {"changes": list(_fields(message)), **getattr(request, "_compared", {})}
    record_user(
        request.user,
        action=action_of(type(row), act),
        rows=[row],
        details={name: value for name, value in details.items() if value},
        reason=reason_in(request),
    )


def _fields(message: Any) -> Iterator[str]:
    """The names of the changed fields, and the added and deleted rows of a part of the form, from
    Django's own message."""
    if isinstance(message, str):
        yield message
        return
    for each in message:
        yield from map(str, each.get("changed", {}).get("fields", ()))
        for kind in ("added", "deleted"):
            if name := each.get(kind, {}).get("name"):
                yield f"{name} {each[kind]['object']}: {kind}"


def compared(form: Any) -> dict[str, Any]:
    """What a form switched, the numbers that it set (before, after), and which rows it gave and
    took: permissions, groups, stores.

    Other fields are not compared: they may hold secrets or personal data.
    """
    switched, numbers, given, taken = {}, {}, [], []
    for name in form.changed_data:
        field, after = form.fields.get(name), form.cleaned_data.get(name)
        if isinstance(field, ModelMultipleChoiceField):
            before = set(form.initial.get(name) or ())
            given += sorted(_named(row) for row in set(after or ()) - before)
            taken += sorted(_named(row) for row in before - set(after or ()))
        elif isinstance(field, BooleanField):
            switched[name] = bool(after)
        elif isinstance(field, IntegerField):  # the base of all fields of numbers
            numbers[name] = [_number(form.initial.get(name)), _number(after)]
    changed = {"switched": switched, "set": numbers}
    return {**changed, "given": given[:MOST_NAMES], "taken": taken[:MOST_NAMES]}


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _named(row: Any) -> str:
    """A permission by its stable name, any other row as it shows itself."""
    if hasattr(row, "codename"):
        return f"{row.content_type.app_label}.{row.codename}"
    return str(row)


def _watched(
    view: Callable[..., HttpResponse], model_admin: admin.ModelAdmin, name: str
) -> Callable[..., HttpResponse]:
    @wraps(view)
    def watched(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        act = _act(model_admin, request, name, kwargs)
        try:
            if _is_not_offered(model_admin, request, name, act):
                _record(model_admin, request, act, kwargs)
                return view(request, *args, **kwargs)
            response = view(request, *args, **kwargs)
        except PermissionDenied:
            _record(model_admin, request, act, kwargs)
            raise
        if response.status_code == 403:
            _record(model_admin, request, act, kwargs)
        return response

    return watched


def _act(model_admin: admin.ModelAdmin, request: HttpRequest, name: str, kwargs: Any) -> str:
    """What was asked for: a verb, an action of a list, or what the address is named for."""
    meta = model_admin.opts
    act = name.removeprefix(f"{meta.app_label}_{meta.model_name}_")
    if "verb" in kwargs:
        return str(kwargs["verb"])
    if act == "changelist":
        return _action_in(request) or "change"
    return act


def _action_in(request: HttpRequest) -> str:
    return next(filter(None, request.POST.getlist("action")), "")


def _is_not_offered(model_admin: Any, request: HttpRequest, name: str, act: str) -> bool:
    """Whether this is an action of the list that exists, and not for this user."""
    if not name.endswith("_changelist") or not request.user.is_authenticated:
        return False
    verbs = {verb.name for verb in getattr(model_admin, "verbs", ())}
    known = verbs | {each[1] for each in model_admin._get_base_actions()}
    may_look = model_admin.has_view_or_change_permission(request)
    return may_look and act in known and act not in model_admin.get_actions(request)


def _record(model_admin: Any, request: HttpRequest, act: str, kwargs: Any) -> None:
    if not request.user.is_authenticated:
        return
    record_user(
        request.user,
        action=action_of(model_admin.model, act)[:100],
        rows=_rows(model_admin, request, kwargs),
        reason=reason_in(request),
        outcome=AuditOutcome.REFUSED,
    )


def _rows(model_admin: Any, request: HttpRequest, kwargs: Any) -> Sequence[Model]:
    """The rows that were asked for, among those that the user may see."""
    try:
        if "object_id" in kwargs:
            found = model_admin.get_object(request, unquote(kwargs["object_id"]))
            return [] if found is None else [found]
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)[:MOST_ROWS]
        seen = model_admin.get_queryset(request)
        return list(seen.filter(pk__in=keys)) if keys else []
    except (ValueError, ValidationError):  # keys that no row can have
        return []
