"""Refuses NUL characters in an address: PostgreSQL's text cannot hold them, so nothing can match.

The check comes before any query, because PostgreSQL would raise an error, which the user would see
as a crash.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.urls import URLPattern
from django.utils.translation import gettext as _

from neural.admin.wrapped_views import View, wrap_views

Admin = type[Any]
STOCK_PAGES = ("changelist", "add", "change", "delete", "history")
FILES = ("csv", "ndjson")


def refuses_nul(model_admin: Admin) -> Admin:
    """Decorator: these admins' standard pages, files and pages of one row refuse a NUL in the
    address, in the selected rows and in the rows that a field with autocompletion names.

    Views of your own, and a list with ``answers_anything``, must check their input themselves.
    """

    def wrapped(pattern: URLPattern, pages: admin.ModelAdmin) -> View:
        kind = str(pattern.name).rpartition("_")[2]
        is_checked = kind in (*STOCK_PAGES, *FILES) or "object_id" in pattern.pattern.converters
        if is_checked and not getattr(pages, "answers_anything", False):
            return _guarded(pattern.callback, pages)
        return pattern.callback

    return wrap_views(model_admin, wrapped)


def _guarded(
    view: Callable[..., HttpResponse], pages: admin.ModelAdmin
) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\0" in str(text) for text in _texts(request, kwargs, pages)):
            said = _("The address holds the character NUL, which nothing that is kept here has.")
            return HttpResponseBadRequest(said, content_type="text/plain; charset=utf-8")
        return view(request, *args, **kwargs)

    return guarded


def _texts(request: HttpRequest, kwargs: dict[str, Any], pages: admin.ModelAdmin) -> list[Any]:
    asked = [text for values in request.GET.lists() for text in (values[0], *values[1])]
    # Forms refuse a NUL in what is typed into them, with a message beside the field. A field with
    # autocompletion then looks for the chosen rows, to show them again.
    of_rows = (ACTION_CHECKBOX_NAME, *pages.get_autocomplete_fields(request))
    posted = request.POST if request.method == "POST" else QueryDict()
    chosen = [key for name in of_rows for key in posted.getlist(name)]
    return [*asked, *kwargs.values(), *chosen]
