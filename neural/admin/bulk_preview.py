"""The page that shows what a bulk action would do, and begins it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from neural.admin.bulk_asked import Asked, asked_of
from neural.admin.bulk_form import BulkForm, token_for
from neural.admin.bulk_words import told, words_of
from neural.admin.display import named_work, page_address
from neural.admin.tabs import tabs_of
from neural.models import BulkAction, RunState
from neural.models.bulk_action import UNDER_WAY
from neural.models.store import sees_every_store
from neural.personal.redacting import for_user
from neural.runs.bulk.beginning import BulkActionRefused, begin
from neural.runs.bulk.previewing import Part, Preview, preview
from neural.runs.bulk.verbs import EFFECTS, is_permitted
from neural.runs.query import QueryRefused
from neural.sites import address_in_admin

UNDER_WAY_SHOWN = 5


class BulkPreview(admin.ModelAdmin):
    """An admin of bulk actions with the page of the preview."""

    def tabs_of(self, request: HttpRequest) -> dict[str, Any]:
        """The console's tabs, if the site shows them: these pages belong to that of runs."""
        if "console_tabs" not in self.admin_site.each_context(request):
            return {}
        return {"console_tabs": tabs_of(request, self.admin_site, current="runs")}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="neural_bulkaction_preview"), *super().get_urls()]

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the verb would do; sent as a form with a token, begin it.

        The runs are those that the parameters of a list of runs mean, or the chosen ones. A list
        may send them by POST too.
        """
        if not request.user.has_perm("neural.view_taskrun"):
            raise PermissionDenied
        try:
            asked = asked_of(request)
        except QueryRefused as refused:
            return self._page(request, None, problems=refused.problems.values())
        if not is_permitted(asked.verb, request.user):
            return self._refused_page(request, asked)
        if "token" not in request.POST:
            return self._asking(request, asked)
        return self._begin(request, asked)

    def _begin(self, request: HttpRequest, asked: Asked) -> HttpResponse:
        form = BulkForm(request.POST, verb=asked.verb)
        if not form.is_valid():
            return self._previewed(request, asked, form)
        try:
            begun = begin(
                verb=asked.verb,
                user=request.user,
                reason=form.cleaned_data["reason"],
                token=form.cleaned_data["token"],
                query=asked.query,
                run_ids=asked.run_ids,
                values=form.values,
                pace=form.cleaned_data["pace"],
            )
        except BulkActionRefused as refused:
            form.show(refused)
            return self._previewed(request, asked, form)
        if not begun.is_new:
            said = _("This form was sent before: here is what it began.")
            self.message_user(request, said, messages.WARNING)
        return HttpResponseRedirect(page_address(begun.action))

    def _asking(self, request: HttpRequest, asked: Asked) -> HttpResponse:
        token = token_for(request.user, asked.verb, asked.params, asked.run_ids)
        first = {"token": token, "reason": request.GET.get("reason", "")}
        return self._previewed(request, asked, BulkForm(initial=first, verb=asked.verb))

    def _previewed(self, request: HttpRequest, asked: Asked, form: BulkForm) -> HttpResponse:
        query = asked.now()
        found = preview(
            verb=asked.verb,
            user=request.user,
            query=query,
            run_ids=asked.run_ids,
            values=form.values,
        )
        state = query.state if query else ""
        problems = []
        if state and state not in EFFECTS[asked.verb].states:
            values = {"action": asked.label, "state": RunState(state).label}
            problems = [_("%(action)s changes no run in the state “%(state)s”.") % values]
        return self._page(
            request,
            asked,
            problems=problems,
            form=form,
            found=_redacted(found, request.user),
            words=words_of(query, request.user) if query else (),
            button=told(asked.verb, found.fit, counted(found.fit, found.is_more)),
            matched=counted(found.matched, found.is_more),
            hidden=asked.hidden(query),
            others=_under_way(request.user),
        )

    def _page(
        self, request: HttpRequest, asked: Asked | None, *, problems: Any, **more: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": asked.label if asked else _("Act on many runs"),
            "asked": asked,
            "problems": list(problems),
            "runs_address": address_in_admin("neural_taskrun_changelist"),
            **self.tabs_of(request),
            **more,
        }
        return TemplateResponse(request, "admin/neural/bulkaction/preview.html", context)

    def _refused_page(self, request: HttpRequest, asked: Asked) -> TemplateResponse:
        text = _("%(action)s needs a permission that you do not have.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": asked.label,
            "refusal": text % {"action": asked.label},
            "back": address_in_admin("neural_taskrun_changelist"),
        }
        return TemplateResponse(request, "admin/neural/refused.html", context, status=403)


def counted(number: int, is_more: bool) -> str:
    """A number as text: '10,000+' where counting stopped."""
    return f"{number:,}" + ("+" if is_more else "")


def _redacted(found: Preview, user: Any) -> dict[str, Any]:
    """The preview with works by their titles, and errors as this user may see them."""
    return {
        "preview": found,
        "works": [Part(named_work(each.of), each.runs) for each in found.works],
        "errors": [Part(for_user(each.of, user), each.runs) for each in found.errors],
        "sample": [(run, for_user(run.error, user)) for run in found.sample],
    }


def _under_way(user: Any) -> Sequence[BulkAction]:
    """Actions that go on now, which may concern the same runs."""
    rows = BulkAction.objects.filter(state__in=UNDER_WAY).order_by("-pk")
    rows = rows if sees_every_store(user) else rows.filter(user_id=str(user.pk))
    return list(rows[:UNDER_WAY_SHOWN])
