"""The admin pages of training rounds: progress, results, and the stores that were left out."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.audit import recording as audit
from neural.admin.display import (
    NOTHING,
    computed_column,
    duration,
    instant_column,
    json_column,
    link,
    link_column,
    one_line,
    short_instant_column,
)
from neural.admin.pages import page
from neural.admin.panels import HTMX
from neural.admin.scope import SearchedByNumber
from neural.forecasting.admin.display import phase, reason, state_badge
from neural.forecasting.admin.filters import ModelTypeFilter, RoundStateFilter
from neural.forecasting.admin.stations import stations
from neural.forecasting.core.model_types import label_of
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingRound
from neural.forecasting.outlook.report import report_of_round
from neural.forecasting.rounds.closing import cancel_round
from neural.forecasting.rounds.gathering import round_progress
from neural.ledger.clock import database_clock
from neural.sites import address_in_admin

TRANSITIONS_SHOWN = 500

CANCEL = Verb(
    name="cancel",
    label=_("Cancel"),
    explanation=_("Cancel: end open rounds; the version in force stays"),
    permission="neural_forecasting.cancel_traininground",
    apply=lambda training, user: cancel_round(training, now=database_clock()),
    fits=lambda training: training.is_open,
    change=lambda training: audit.ROUND_CANCELLED,
    whole_chain=True,
)


@page(TrainingRound)
class TrainingRoundAdmin(VerbsAdmin, SearchedByNumber):
    """A round belongs to no store. Its page shows the stores that the user may see."""

    verbs = (CANCEL,)
    export_left_out = ("server_state", "question")
    list_display = (
        "number",
        "state_and_reason",
        "version_made",
        "stores",
        "exchange",
        short_instant_column(TrainingRound, "opened_at"),
        "took",
        "type_name",
    )
    list_filter = (ModelTypeFilter, RoundStateFilter)
    search_keys = ("pk",)
    search_help_text = _("A round's number.")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "state_shown",
                    "why",
                    "type_name",
                    ("version_made", link_column(TrainingRound, "base_version")),
                    ("stores", "quorum"),
                    (
                        instant_column(TrainingRound, "opened_at"),
                        instant_column(TrainingRound, "closed_at"),
                        "took",
                    ),
                    ("requested_by", "morning", link_column(TrainingRound, "plan")),
                )
            },
        ),
        (
            _("Numbers"),
            {"classes": ("collapse",), "fields": (json_column(TrainingRound, "config"),)},
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Rounds with their versions and store updates, without the large columns: server state,
        version content, answers."""
        version = ModelVersion.objects.defer("content")
        rounds = super().get_queryset(request).defer("server_state").select_related("plan")
        made = Prefetch("version", version), Prefetch("base_version", version)
        parts = StoreUpdate.objects.only("round_id", "state", "exchange")
        return rounds.prefetch_related(*made, Prefetch("updates", parts))

    def for_page(self, queryset: QuerySet) -> QuerySet:
        return queryset.defer("server_state", "question", "config")

    # A round's page

    def get_urls(self) -> list[URLPattern]:
        """The usual URLs, and that of a round's progress, a fragment of its page."""
        view = self.admin_site.admin_view(self.progress_view)
        name = "neural_forecasting_traininground_progress"
        return [path("<int:number>/progress/", view, name=name), *super().get_urls()]

    @method_decorator(require_safe)
    def progress_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """The progress fragment, which the page reloads. When the round has ended, the whole page
        is reloaded."""
        found = self.get_queryset(request).filter(pk=number).first()
        if found is None:
            raise Http404
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        answer = TemplateResponse(
            request, "neural_forecasting/round_progress.html", _progress(found)
        )
        if not found.is_open:
            answer.headers["HX-Refresh"] = "true"
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        found: TrainingRound | None = kwargs.get("obj")
        if found is not None:
            mine = StoreUpdate.objects.for_user(request.user)
            transitions = list(found.transitions.order_by("pk")[:TRANSITIONS_SHOWN])
            context |= _progress(found)
            context["live_media"] = HTMX if found.is_open else ""
            context["report"] = report_of_round(found, shown=mine)
            context["stations"] = stations(transitions, found)
            context["transitions"] = transitions
        return super().render_change_form(request, context, *args, **kwargs)

    # Columns

    @admin.display(description=_("round"))
    def number(self, training: TrainingRound) -> str:
        return f"#{training.pk}"

    state_shown = computed_column(_("state"), state_badge)

    @admin.display(description=_("state"))
    def state_and_reason(self, training: TrainingRound) -> SafeString:
        """The badge, and below it the reason of the round's end."""
        shown = state_badge(training)
        if training.reason:
            words = one_line(reason(training))
            shown = format_html("{}<br><small>{}</small>", shown, words)
        return shown

    type_name = computed_column(_("model type"), label_of, "model_type")

    @admin.display(description=_("stores"))
    def stores(self, training: TrainingRound) -> str:
        parts = training.updates.all()
        # The stores whose answers count, among those that were asked.
        good = sum(each.state in GOOD and each.exchange > 0 for each in parts)
        return f"{good} / {training.invited}"

    @admin.display(description=_("took"))
    def took(self, training: TrainingRound) -> str:
        return duration((training.closed_at or database_clock()) - training.opened_at)

    @admin.display(description=_("as on the morning of"))
    def morning(self, training: TrainingRound) -> str:
        """The day as of which the round trains, if that is not the day of its opening."""
        return training.config.get("as_of") or str(_("the day it was opened"))

    @admin.display(description=_("version"))
    def version_made(self, training: TrainingRound) -> SafeString | str:
        version = getattr(training, "version", None)
        return link(version, version.number) if version else NOTHING

    why = computed_column(_("reason"), reason)


GOOD = ("invited", "accepted")


def _progress(training: TrainingRound) -> dict[str, Any]:
    now = database_clock()
    return {
        "training": training,
        "progress": round_progress(training, now=now),
        "phase": phase(training),
        "round_left": max(training.closes_at - now, dt.timedelta(0)),
        "progress_address": address_in_admin(
            "neural_forecasting_traininground_progress", training.pk
        ),
    }
