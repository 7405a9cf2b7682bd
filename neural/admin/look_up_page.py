"""The page of the look-up of ids, to which the box in the header of every page leads."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from neural.admin.display import page_address
from neural.admin.look_up import Answer, look_up, look_ups_for
from neural.admin.tabs import tabs_of

PAGE = "neural_look_up"


class LookUpAdmin(admin.ModelAdmin):
    """An admin with one more address: the look-up of ids."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.look_up_view)
        return [path("look-up/", view, name=PAGE), *super().get_urls()]

    @method_decorator(require_safe)
    def look_up_view(self, request: HttpRequest) -> HttpResponse:
        """What was found; the page of a row that alone was meant."""
        if not look_ups_for(request.user):
            raise PermissionDenied
        answer = look_up(request.GET.get("q", ""), request.user)
        if answer.only and (address := page_address(answer.only)):
            return HttpResponseRedirect(address)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Look up"),
            "opts": self.opts,
            "media": self.media + Media(css={"all": ("neural/figures.css",)}),
            "answer": answer,
            "search_address": self._search_address(request, answer),
        }
        return TemplateResponse(request, "admin/neural/look_up.html", context)

    def _search_address(self, request: HttpRequest, answer: Answer) -> str:
        """Of the same text in the search by words and meaning; empty if the user has none."""
        asked = urlencode({"q": answer.text, "store": answer.store})
        tabs = tabs_of(request, self.admin_site)
        return next((f"{tab.address}?{asked}" for tab in tabs if tab.name == "search"), "")
