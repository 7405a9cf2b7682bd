"""Records what a user tried to do in the admin without the permission for it."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from neural.admin.audit import acted
from neural.admin.reasons import reason_in
from neural.admin.wrapped_views import wrap_views
from neural.audit import action_of
from neural.models import AuditOutcome

MOST_ROWS = 100
"""Rows of a refused selection that an entry names: as many as a page of a list has."""


def records_refusals(model_admin: type[Any]) -> type[Any]:
    """Decorator: what is posted to these admins' pages, and refused, leaves an entry.

    That is an answer with status 403, or an action of a list that the user is not offered.
    """
    return wrap_views(
        model_admin,
        lambda pattern, pages: _watched(pattern.callback, pages, str(pattern.name)),
    )


def _watched(
    view: Callable[..., HttpResponse], model_admin: ModelAdmin, name: str
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


def _act(model_admin: ModelAdmin, request: HttpRequest, name: str, kwargs: Any) -> str:
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
    acted(
        user=request.user,
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
