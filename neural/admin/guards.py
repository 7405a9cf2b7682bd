"""The addresses of an admin: declared beside their views, and guarded all alike.

They answer the methods that a page has, lead to pages of their own site, mask personal data, and
refuse NUL characters: PostgreSQL's text cannot hold a NUL, so nothing can match it. That check
comes before any query, because PostgreSQL would raise an error, which the user would see as a
crash.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    QueryDict,
)
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from neural.admin.pages import on_its_site

View = Callable[..., HttpResponse]
Method = TypeVar("Method", bound=Callable[..., Any])
METHODS = ("GET", "HEAD", "POST")
STOCK_PAGES = ("changelist", "add", "change", "delete", "history")
OF_LISTS = ("csv", "ndjson", "figures")


def address(route: str, name: str, *guards: Callable[[Any], Any]) -> Callable[[Method], Method]:
    """Decorator: the method is a view of its admin, at this route below the address of its list.

    A name that begins with ``_`` is that of the model and this. ``guards`` are decorators of views,
    like ``require_POST``. The view checks permissions itself.
    """

    def decorate(method: Any) -> Any:
        for guard in guards:
            method = method_decorator(guard)(method)
        method.address = route, name
        return method

    return decorate


class GuardedPages(admin.ModelAdmin):
    """Guards all addresses, on whatever site; the views among them that :func:`address` marks.

    A NUL is refused in the address of Django's own pages, of a list's files and counts, and of
    pages of one row, in the selected rows, and in the rows that a field with autocompletion names.
    Other views, and a list with ``answers_anything``, must check their input themselves.
    """

    answers_anything = False

    def get_urls(self) -> list[URLPattern]:
        """Django's addresses, and those of the marked views."""
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        own = []
        for name in dir(type(self)):
            if marked := getattr(getattr(type(self), name, None), "address", None):
                route, named = marked
                view = self.admin_site.admin_view(getattr(self, name))
                own.append(path(route, view, name=prefix + named if named[0] == "_" else named))
        return [*own, *super().get_urls()]

    @property
    def urls(self) -> list[URLPattern]:
        """The addresses with their guards, the outermost last."""
        patterns: list[URLPattern] = super().urls
        for pattern in patterns:
            view = pattern.callback
            if self._checks_nul(pattern):
                view = _refuses_nul(view, self)
            pattern.callback = answers_pages_alone(on_its_site(view, self.admin_site.name))
        return patterns

    def _checks_nul(self, pattern: URLPattern) -> bool:
        kind = str(pattern.name).rpartition("_")[2]
        is_checked = kind in (*STOCK_PAGES, *OF_LISTS) or "object_id" in pattern.pattern.converters
        return is_checked and not self.answers_anything


def answers_pages_alone(view: View) -> View:
    """Decorator: the view answers 405 to methods that no page has. Django's admin shows a page to
    every method."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return view(request, *args, **kwargs)

    return answer


def _refuses_nul(view: View, pages: admin.ModelAdmin) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\0" in str(text) for text in _texts(request, kwargs, pages)):
            return nul_refused()
        return view(request, *args, **kwargs)

    return guarded


def nul_refused() -> HttpResponse:
    """The answer to an address with a NUL."""
    text = _("The address holds the character NUL, which nothing that is kept here has.")
    return HttpResponseBadRequest(text, content_type="text/plain; charset=utf-8")


def _texts(request: HttpRequest, kwargs: dict[str, Any], pages: admin.ModelAdmin) -> list[Any]:
    asked = [text for values in request.GET.lists() for text in (values[0], *values[1])]
    # Forms refuse a NUL in what is typed into them, with a message beside the field. A field with
    # autocompletion then looks for the chosen rows, to show them again.
    of_rows = (ACTION_CHECKBOX_NAME, *pages.get_autocomplete_fields(request))
    posted = request.POST if request.method == "POST" else QueryDict()
    chosen = [key for name in of_rows for key in posted.getlist(name)]
    return [*asked, *kwargs.values(), *chosen]
