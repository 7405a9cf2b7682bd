"""The admin's pages of events: what happened, the state of its runs, and *Replay*."""

from collections import Counter
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    instant_column,
    is_readable,
    json_column,
    link_column,
    short_instant_column,
    store_code_column,
    value_of,
)
from neural.admin.filters import EventTypeFilter, StoreFilter, UnhandledFilter
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin
from neural.events.recording import missing_handlers, replay
from neural.kit.errors import NeuralError
from neural.kit.keyset.exact import MOST_FOUND, by_any, by_columns
from neural.kit.keyset.planning import by_store
from neural.kit.keyset.walks import Walk
from neural.ledger.clock import database_clock
from neural.models import NeuralEvent, RunState, TaskAttempt, TaskRun
from neural.personal.admin import ErasingAdmin
from neural.personal.redacting import masking_values_of
from neural.runs.about import about_events
from neural.runs.admin.run_page.timeline import Step, timelines
from neural.runs.filters import RUN_FINDERS


def _replay(event: NeuralEvent, user: Any) -> bool:
    try:
        return bool(replay(event, requested_by=user.get_username()))
    except (NeuralError, RecursionError):  # pruned, of a type that is gone, or nested too deep
        return False


REPLAY = Verb(
    name="replay",
    label=_("Replay"),
    explanation=_("Replay: run the handlers that have not had these events"),
    permission="neural.replay_neuralevent",
    apply=_replay,
    fits=lambda event: event.pruned_at is None and bool(missing_handlers(event)),
    change=gettext_noop("runs: those of missing handlers (replay)"),
)


def _through(rows: QuerySet, text: str, user: Any) -> QuerySet:
    """The events of what apps know by an id, such as an order."""
    keys = {key for each in RUN_FINDERS for key in each.find(user, text, MOST_FOUND)}
    return rows.filter(pk__in=keys).values_list("pk", flat=True)


@page(NeuralEvent)
class NeuralEventAdmin(ErasingAdmin, VerbsAdmin, HistoryAdmin):
    verbs = (REPLAY,)
    list_display = (
        "type",
        "event_id",
        "run_states",
        store_code_column(NeuralEvent),
        "source",
        short_instant_column(NeuralEvent, "occurred_at"),
        short_instant_column(NeuralEvent, "recorded_at"),
    )
    list_display_links = ("type", "event_id")
    list_filter = (EventTypeFilter, UnhandledFilter, StoreFilter)
    from_outside = ("payload",)
    walks = (
        Walk(parameter="unhandled", condition=Q(unhandled=True), values=("1",)),
        by_store(),
        Walk(parameter="type", column="type"),
    )
    search_keys = ("event_id", "runs__task_id", "store")
    finds = by_any(by_columns("event_id", "runs__task_id"), _through)
    search_help_text = _(
        "A whole event id, task id of a run or store code; or an order's or payment's id."
    )
    fields = (
        "type",
        "event_id",
        (link_column(NeuralEvent, "store"), "source"),
        (
            instant_column(NeuralEvent, "occurred_at"),
            instant_column(NeuralEvent, "recorded_at"),
        ),
        "handling",
        json_column(NeuralEvent, "payload"),
        "content_hash",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def for_page(self, queryset: QuerySet) -> QuerySet:
        """Leave out payloads, and read the states of all the page's runs in one query."""
        runs = TaskRun.objects.only("event_id", "state").order_by()
        return queryset.prefetch_related(Prefetch("runs", runs))

    def get_list_display(self, request: HttpRequest) -> Any:
        if request.user.has_perm("neural.view_taskrun"):
            return self.list_display
        return tuple(column for column in self.list_display if column != "run_states")

    def render_change_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's page. Names in the payload are masked in the errors of its runs and in the
        panels, too."""
        if (event := kwargs.get("obj")) is None:
            return super().render_change_form(request, *args, **kwargs)
        with masking_values_of(lambda: filter(is_readable, [value_of(event, "payload")])):
            return super().render_change_form(request, *args, **kwargs)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The event's runs, for who may see them."""
        may_see = request.user.has_perm("neural.view_taskrun")
        runs = {"runs": _runs(row, request.user)} if may_see else {}
        return super().row_context(request, row) | runs

    @admin.display(description=_("runs"))
    def run_states(self, event: NeuralEvent) -> SafeString | str:
        counts = Counter(run.state for run in event.runs.all())
        badges = [_counted(state, counts[state]) for state in RunState if counts[state]]
        if event.unhandled:
            badges.append(badge("unhandled", gettext("unhandled")))
        return format_html_join(" ", "{}", ((each,) for each in badges)) or NOTHING

    @admin.display(description=_("handling"))
    def handling(self, event: NeuralEvent) -> SafeString | str:
        if event.pruned_at:
            return badge("discarded", gettext("payload pruned"))
        if event.unhandled:
            return badge("unhandled", gettext("unhandled"))
        return NOTHING


def _counted(state: RunState, count: int) -> SafeString:
    return badge(state, state.label if count == 1 else f"{state.label} × {count}")


def _runs(event: NeuralEvent, user: Any) -> list[tuple[TaskRun, list[Step]]]:
    """The event's runs, each with its course."""
    attempts = Prefetch("attempts", TaskAttempt.objects.select_related("worker").defer("traceback"))
    runs = event.runs.select_related("worker").defer("args", "kwargs", "result")
    rows = runs.prefetch_related(attempts).order_by("handler")
    return timelines(list(rows), user, database_clock())


register_look_up(
    LookUp(
        name="event",
        place=40,
        model=NeuralEvent,
        label=_("event"),
        find=by_columns("event_id"),
        through=_through,
        moment="occurred_at",
        about=about_events,
    )
)
