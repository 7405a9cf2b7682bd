"""Refuses NUL characters in an address: PostgreSQL's text cannot hold them, so nothing can match.

The check comes before any query, because PostgreSQL would raise an error, which the user would see
as a crash.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import URLPattern
from django.utils.translation import gettext as _

Admin = type[Any]
STOCK_PAGES = ("changelist", "add", "change", "delete", "history")


def refuses_nul(model_admin: Admin) -> Admin:
    """Decorator: these admins' standard pages refuse a NUL in the address or in the selected rows.

    Views of your own, and a list with ``answers_anything``, must check their input themselves.
    """

    def urls(self: admin.ModelAdmin) -> list[URLPattern]:
        patterns = self.get_urls()
        for pattern in patterns:
            kind = str(pattern.name).rpartition("_")[2]
            if kind in STOCK_PAGES and not getattr(self, "answers_anything", False):
                pattern.callback = _guarded(pattern.callback)
        return patterns

    model_admin.urls = property(urls)
    return model_admin


def _guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\0" in str(text) for text in _texts(request, kwargs)):
            said = _("The address holds the character NUL, which nothing that is kept here has.")
            return HttpResponseBadRequest(said, content_type="text/plain; charset=utf-8")
        return view(request, *args, **kwargs)

    return guarded


def _texts(request: HttpRequest, kwargs: dict[str, Any]) -> list[Any]:
    asked = [text for values in request.GET.lists() for text in (values[0], *values[1])]
    # Forms refuse a NUL in what is typed into them, with a message beside the field.
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME) if request.method == "POST" else []
    return [*asked, *kwargs.values(), *chosen]
