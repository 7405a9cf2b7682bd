"""What all addresses of an admin refuse: methods that no page has, and NUL characters.

PostgreSQL's text cannot hold a NUL, so nothing can match it. The check comes before any query,
because PostgreSQL would raise an error, which the user would see as a crash.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    QueryDict,
)
from django.urls import URLPattern
from django.utils.translation import gettext as _

View = Callable[..., HttpResponse]


def wrap_views(
    model_admin: type[Any], wrapped: Callable[[URLPattern, ModelAdmin], View]
) -> type[Any]:
    """Give each address of these admins the view that ``wrapped`` returns for it, around what was
    wrapped before; returns the class, for decorators."""
    urls_before = model_admin.urls.fget

    def urls(self: ModelAdmin) -> list[URLPattern]:
        patterns: list[URLPattern] = urls_before(self)
        for pattern in patterns:
            pattern.callback = wrapped(pattern, self)
        return patterns

    model_admin.urls = property(urls)
    return model_admin


METHODS = ("GET", "HEAD", "POST")


def answers_pages_alone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Decorator: the view answers 405 to methods that no page has."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return view(request, *args, **kwargs)

    return answer


def refuses_other_methods(model_admin: type[Any]) -> type[Any]:
    """Class decorator: so do all addresses of these admins, on whatever site."""
    return wrap_views(model_admin, lambda pattern, pages: answers_pages_alone(pattern.callback))


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
