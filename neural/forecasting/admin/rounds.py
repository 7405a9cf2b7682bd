"""The admin pages of training rounds: progress, results, and the stores that were left out."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from neural.admin.actions import Verb, VerbsAdmin
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
from neural.admin.scope import SearchedByNumber, section
from neural.forecasting.admin.display import (
    ModelTypeFilter,
    RoundStateFilter,
    phase,
    reason,
    state_badge,
)
from neural.forecasting.core.model_types import label_of
from neural.forecasting.models import (
    ModelVersion,
    RoundState,
    RoundTransition,
    StoreUpdate,
    TrainingRound,
)
from neural.forecasting.models.round import ASKING_STATES
from neural.forecasting.outlook.report import report_of_round
from neural.forecasting.rounds.closing import cancel_round
from neural.forecasting.rounds.progress import round_progress
from neural.ledger.clock import database_clock


@dataclass(frozen=True)
class Station:
    """A stretch of a round's course, which joins consecutive exchanges. ``first_exchange`` and
    ``last_exchange`` are 0 if stores were asked nothing."""

    state: RoundState
    first_exchange: int
    last_exchange: int
    began_at: dt.datetime
    took: dt.timedelta | None


def stations(transitions: Sequence[RoundTransition], training: TrainingRound) -> Sequence[Station]:
    """The course of a round. Aggregating belongs to the collecting that it ends. Trees grow through
    many exchanges without a transition, so a station lasts until the first exchange of the next."""
    starts: list[RoundTransition] = []
    for each in transitions:
        if not starts or _station(each) != _station(starts[-1]):
            starts.append(each)
    following = [*starts[1:], None][: len(starts)]
    ends = [each.at if each else training.closed_at for each in following]
    return [
        Station(
            _station(each),
            each.exchange if _asks(each) else 0,
            _last_exchange(each, after, training) if _asks(each) else 0,
            each.at,
            _between(each.at, end),
        )
        for each, after, end in zip(starts, following, ends, strict=True)
    ]


def _station(transition: RoundTransition) -> RoundState:
    state = RoundState(transition.to_state)
    return RoundState.COLLECTING if state == RoundState.AGGREGATING else state


def _asks(transition: RoundTransition) -> bool:
    return _station(transition) in ASKING_STATES


def _last_exchange(
    begun: RoundTransition, after: RoundTransition | None, training: TrainingRound
) -> int:
    """A station's last exchange: the one before the next station's first, or the round's current
    one."""
    if after is None:
        return training.exchange
    return max(begun.exchange, after.exchange - 1 if _asks(after) else after.exchange)


def _between(begin: dt.datetime, end: dt.datetime | None) -> dt.timedelta | None:
    return end - begin if end and end > begin else None


TRANSITIONS_SHOWN = 500

CANCEL = Verb(
    name="cancel",
    label=_("Cancel"),
    explanation=_("Cancel: end open rounds; the version in force stays"),
    permission="neural_forecasting.cancel_traininground",
    apply=lambda training, user: cancel_round(training, now=database_clock()),
    fits=lambda training: training.is_open,
    change=gettext_noop("state: open → cancelled (cancel)"),
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
        section(
            None,
            "state_display",
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
        ),
        section(_("Numbers"), json_column(TrainingRound, "config"), classes=("collapse",)),
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

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        mine = StoreUpdate.objects.for_user(request.user)
        transitions = list(row.transitions.order_by("pk")[:TRANSITIONS_SHOWN])
        return {
            **super().row_context(request, row),
            **_progress(row),
            "refresh_seconds": 2 if row.is_open else 0,
            "report": report_of_round(row, visible=mine),
            "stations": stations(transitions, row),
            "transitions": transitions,
        }

    # Columns

    number = computed_column(_("round"), lambda training: f"#{training.pk}")

    state_display = computed_column(_("state"), state_badge)

    @admin.display(description=_("state"))
    def state_and_reason(self, training: TrainingRound) -> SafeString:
        """The badge, and below it the reason of the round's end."""
        visible = state_badge(training)
        if training.reason:
            words = one_line(reason(training))
            visible = format_html("{}<br><small>{}</small>", visible, words)
        return visible

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
        "progress": round_progress(training),
        "phase": phase(training),
        "round_left": max(training.closes_at - now, dt.timedelta(0)),
    }
