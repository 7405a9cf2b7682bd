"""The admin's pages of batches: how far each is, its dead and slow members, what follows it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    code,
    computed_column,
    instant_column,
    link_column,
    link_to_run,
    page_address,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import StoreFilter, TextFilter, choice_filter
from neural.admin.look_up import MOST_SHOWN, LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.paging import KeysetChangeList
from neural.admin.scope import HistoryAdmin
from neural.batches import ending, results
from neural.batches.admin.batch_progress import (
    progress_of,
    runs_address,
    shown_members,
    standing_of,
)
from neural.kit.keyset.bounded import find
from neural.kit.keyset.exact import named_exactly
from neural.kit.keyset.planning import by_store
from neural.kit.keyset.walks import Place, Walk
from neural.ledger.clock import database_clock
from neural.models import (
    Batch,
    BatchKind,
    BatchState,
)
from neural.personal.redacting import for_user
from neural.runs.admin.run_page.contents import schedule_of
from neural.runs.admin.run_page.page import OFTEN, RARELY
from neural.runs.admin.runs_list.filter_pages import FilterPage, register_filter_page
from neural.runs.batches import (
    COUNTED,
    FILTER,
    counts_of,
    followers_of,
    others_of,
    visible_batch,
)

FOLLOWERS = {
    "body": pgettext_lazy("batch", "When all have succeeded"),
    "on_success": pgettext_lazy("batch", "When all have succeeded"),
    "on_complete": pgettext_lazy("batch", "When all have ended"),
    "on_death": pgettext_lazy("batch", "When one is dead"),
}
"""What may follow a batch, by its name in the options of the batch."""

MANY = 100_000
"""Members that take so long to count that the page refreshes rarely."""

CANCEL = Verb(
    name="cancel",
    label=_("Cancel the rest"),
    explanation=_("Cancel the rest: withdraw the members that wait; those that run go on"),
    permission="neural.cancel_batch",
    apply=lambda batch, user: ending.begin_to_cancel(batch.pk),
    fits=lambda batch: batch.state != BatchState.ENDED and not batch.outcome,
    change=gettext_noop("members that wait: cancelled (cancel the rest)"),
)


def asked_to_follow(batch: Batch) -> list[tuple[Any, str]]:
    """When what follows is called, and what it is."""
    return [
        (when, each.get("task", ""))
        for name, when in FOLLOWERS.items()
        if (each := batch.options.get(name))
    ]


class NameFilter(TextFilter):
    """Batches whose name has this text."""

    title = _("name")
    parameter_name = "name"

    def condition(self, value: str) -> Q:
        return Q(name__icontains=value)


class BatchList(KeysetChangeList):
    """The list, whose rows have the counts of their members."""

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        found = super().show(place, request)
        counts = counts_of(self.result_list)
        for row in self.result_list:
            row.counts = counts[row.pk]
        return found


def _named(rows: QuerySet, text: str, user: Any) -> Sequence[int]:
    """By its id; or the newest of this name."""
    if found := named_exactly(rows, text, ("batch_id",)):
        return found
    named = rows.filter(name=text)
    return find(named, walks=(), limits={"name"}, place=Place(), size=MOST_SHOWN).keys


@page(Batch)
class BatchAdmin(VerbsAdmin, HistoryAdmin):
    """Batches of the user's stores; those without a store are of the whole chain."""

    verbs = (CANCEL,)
    list_per_page = 25
    list_display = (
        "title",
        "kind",
        "standing",
        "members",
        store_code_column(Batch),
        short_instant_column(Batch, "created_at"),
        short_instant_column(Batch, "ended_at"),
        "requested_by",
    )
    list_filter = (
        choice_filter(_("state"), "state", BatchState),
        choice_filter(_("kind"), "kind", BatchKind),
        NameFilter,
        StoreFilter,
    )
    walks = (
        *(
            Walk(parameter="state", condition=Q(ended_at=None, state=state), values=(state,))
            for state in (BatchState.OPEN, BatchState.CLOSED)
        ),
        by_store(condition=Q(store__isnull=False)),
    )
    search_keys = ("batch_id",)
    finds = _named
    search_help_text = _("The whole id of a batch.")
    export_left_out = ("options",)
    from_outside = ("options",)
    fields = (
        ("name", "kind"),
        "id_display",
        link_column(Batch, "store"),
        ("requested_by", "parent"),
        (
            instant_column(Batch, "created_at"),
            instant_column(Batch, "closed_at"),
            instant_column(Batch, "ended_at"),
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural/batches.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BatchList]:
        return BatchList

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """None for a selection: each is cancelled on its own page."""
        return {}

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """How far it is, and what follows it; while it has not ended, the page refreshes."""
        now, user = database_clock(), request.user
        is_live, counts = row.ended_at is None, results.counts(row)
        seconds = OFTEN if sum(counts.values()) < MANY else RARELY
        about = {
            "batch": row,
            "standing": standing_of(row),
            "progress": progress_of(row, counts),
            "took": (row.ended_at or now) - row.created_at,
            "asked": asked_to_follow(row),
            "schedule": schedule_of(row.parent_task_id, user),
            "others": [(each, for_user(each.error, user)) for each in others_of(row)],
            "refresh_seconds": seconds if is_live else 0,
        }
        if user.has_perm("neural.view_taskrun"):
            about |= {
                "members": shown_members(row, user, now),
                "runs_address": runs_address(row),
                "followers": followers_of(row, user),
            }
        return super().row_context(request, row) | about

    # Columns

    @admin.display(description=_("batch"))
    def title(self, batch: Batch) -> SafeString:
        return format_html(
            '{}<br><small class="neural-codename">{}</small>',
            batch.name or batch.get_kind_display(),
            batch.batch_id,
        )

    standing = computed_column(_("state"), standing_of)

    @admin.display(description=_("members"))
    def members(self, batch: Any) -> SafeString:
        progress = progress_of(batch, batch.counts, most=COUNTED)
        return render_to_string("neural/batch/bar.html", {"progress": progress})

    # Fields

    id_display = computed_column(_("batch id"), code, "batch_id")
    parent = computed_column(_("started by"), link_to_run, "parent_task_id")


def _page_of_batch(user: Any, value: str) -> FilterPage | None:
    batch = visible_batch(user, pk=value)
    return FilterPage(page_address(batch)) if batch else None


register_filter_page(FILTER, _page_of_batch)
register_look_up(
    LookUp(
        name="batch",
        place=35,
        model=Batch,
        label=_("batch"),
        find=_named,
        moment="created_at",
    )
)
