"""NUL in an address: PostgreSQL's text cannot hold it, so nothing can be found by it.

Refused before a page looks for anything: the database would answer with an error, which is a
crash to whoever asked.
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
    """The stock pages of these admins refuse a NUL in their address, and in the choice of rows.

    Pages of one's own, and a list with ``answers_anything``, see to what they are asked.
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
    # What is typed into a form, the form itself refuses, with a word beside the field.
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME) if request.method == "POST" else []
    return [*asked, *kwargs.values(), *chosen]


def guard_results() -> None:
    """django-celery-results' own pages of plain tasks. What its actions and forms may do is guarded
    by Django's permissions."""
    from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin

    for model_admin in (TaskResultAdmin, GroupResultAdmin):
        refuses_nul(model_admin)
