"""Has an admin record in the audit log what its forms do, and what it refuses.

Our own pages do so by themselves. For another admin: ``audited(YourAdmin)``; it is already done for
the pages of users and groups, where permissions are given and taken.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import wraps
from typing import Any

from django.db import transaction
from django.forms import BooleanField, IntegerField, ModelMultipleChoiceField
from django.http import HttpRequest

from neural.admin.audit import acted
from neural.admin.audit_refusals import records_refusals
from neural.admin.reasons import reason_in
from neural.audit import action_of

MOST_NAMES = 100
Admin = type[Any]


def audited(model_admin: Admin) -> Admin:
    """Decorator: the forms of these admins, and what they refuse, leave entries in the audit log.

    Django calls ``log_addition`` and its like within the transaction of the change, so both commit
    together.
    """
    for name, act in (("log_addition", "add"), ("log_change", "change")):
        setattr(model_admin, name, _recording(getattr(model_admin, name), act))
    model_admin.log_deletions = _recording_deletions(model_admin.log_deletions)
    model_admin.construct_change_message = _comparing(model_admin.construct_change_message)
    return records_refusals(model_admin)


def _recording(stock: Callable[..., Any], act: str) -> Callable[..., Any]:
    @wraps(stock)
    def log(self: Any, request: HttpRequest, obj: Any, message: Any) -> Any:
        told = {"changes": list(_fields(message)), **getattr(request, "_compared", {})}
        with transaction.atomic():
            entry = stock(self, request, obj, message)
            acted(
                user=request.user,
                action=action_of(type(obj), act),
                rows=[obj],
                details={name: value for name, value in told.items() if value},
                reason=reason_in(request),
            )
        return entry

    return log


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


def _recording_deletions(stock: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stock)
    def log_deletions(self: Any, request: HttpRequest, queryset: Any) -> Any:
        rows = list(queryset)
        with transaction.atomic():
            entries = stock(self, request, queryset)
            if rows:
                acted(
                    user=request.user,
                    action=action_of(type(rows[0]), "delete"),
                    rows=rows,
                    # Nobody can look up any more what the keys stood for.
                    details={"names": [str(row)[:200] for row in rows[:MOST_NAMES]]},
                )
        return entries

    return log_deletions


def _comparing(stock: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(stock)
    def construct_change_message(
        self: Any, request: HttpRequest, form: Any, *args: Any, **kwargs: Any
    ) -> Any:
        request._compared = compared(form)  # type: ignore[attr-defined]
        return stock(self, request, form, *args, **kwargs)

    return construct_change_message


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
    told = {"switched": switched, "set": numbers}
    return {**told, "given": given[:MOST_NAMES], "taken": taken[:MOST_NAMES]}


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _named(row: Any) -> str:
    """A permission by its stable name, any other row as it shows itself."""
    if hasattr(row, "codename"):
        return f"{row.content_type.app_label}.{row.codename}"
    return str(row)
