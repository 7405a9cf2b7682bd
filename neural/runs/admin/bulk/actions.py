"""The admin's pages of bulk actions: what people do to many runs, how far it is, its outcomes."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    computed_column,
    instant_column,
    link,
    one_line,
    short_instant,
)
from neural.admin.filters import choice_filter
from neural.admin.pages import page
from neural.admin.paging import KeysetChangeList
from neural.admin.scope import SearchedByNumber
from neural.kit.keyset.walks import Place
from neural.models import BulkAction, BulkActionState, BulkVerb
from neural.models.store import sees_every_store
from neural.personal.redacting import for_user
from neural.runs.acts import RUN_VERBS
from neural.runs.admin.bulk.preview import BulkPreview
from neural.runs.admin.bulk.progress import items_page, progress_context, state_badge
from neural.runs.admin.bulk.words import target_of, words_of_action
from neural.runs.bulk.deciding import may_decide, resume, stop

BulkStateFilter = choice_filter(_("state"), "state", BulkActionState)
BulkVerbFilter = choice_filter(_("action"), "verb", BulkVerb)


STOP = Verb(
    name="stop",
    label=pgettext_lazy("bulk action", "Stop"),
    explanation=_("Stop: change no further run; it can be resumed"),
    permission="neural.view_taskrun",
    apply=lambda action, user: stop(action=action, user=user),
    fits=lambda action: action.is_under_way and not action.is_stalled,
    change=gettext_noop("state: stopped (stop)"),
    allows=may_decide,
)
RESUME = Verb(
    name="resume",
    label=pgettext_lazy("bulk action", "Resume"),
    explanation=_("Resume: go on with the next run"),
    permission="neural.view_taskrun",
    apply=lambda action, user: resume(action=action, user=user),
    fits=lambda action: action.can_resume,
    change=gettext_noop("state: stopped → waiting (resume)"),
    allows=may_decide,
)


class BulkActionList(KeysetChangeList):
    """The list; its rows know who looks at them."""

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        found = super().show(place, request)
        for row in self.result_list:
            row.viewer = request.user
        return found


@page(BulkAction)
class BulkActionAdmin(BulkPreview, VerbsAdmin, SearchedByNumber):
    """Who may view bulk actions and every store sees all of them; any other user, their own."""

    verbs = (STOP, RESUME)
    list_per_page = 25
    list_display = (
        "number",
        "state_badge",
        "which",
        "counts",
        "asked",
        "reason_display",
    )
    list_filter = (BulkStateFilter, BulkVerbFilter)
    search_keys = ("pk",)
    search_help_text = _("The number of a bulk action.")
    fields = (
        "which",
        "target",
        "reason_in_full",
        "requested_by",
        "pace_display",
        (
            instant_column(BulkAction, "created_at"),
            instant_column(BulkAction, "started_at"),
            instant_column(BulkAction, "finished_at"),
        ),
        "run_display",
    )

    class Media:
        css = {"all": ("neural/bulk.css",)}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Also for users who may not view the list: they see what they asked for."""
        return super().has_view_permission(request, obj) or any(
            request.user.has_perm(each.permission) for each in RUN_VERBS.values()
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if sees_every_store(request.user) and super().has_view_permission(request):
            return rows
        return rows.filter(user_id=str(request.user.pk))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BulkActionList]:
        return BulkActionList

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.viewer = request.user
        return found

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """None for a selection: each is stopped on its own page."""
        return {}

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The progress, and the outcome of each run."""
        return {
            **super().row_context(request, row),
            **progress_context(row),
            "items": items_page(row, request),
            "refresh_seconds": 2 if row.is_under_way else 0,
        }

    # Columns

    number = computed_column(_("bulk action"), str)

    state_badge = computed_column(_("state"), state_badge)

    @admin.display(description=_("which runs"))
    def which(self, action: Any) -> SafeString:
        words = words_of_action(action, action.viewer)
        return format_html_join(", ", "<span>{}: {}</span>", words)

    @admin.display(description=_("runs changed"))
    def counts(self, action: BulkAction) -> str:
        if action.expected is None:
            return f"{action.changed:,}"
        return f"{action.changed:,} / {action.expected:,}"

    @admin.display(description=_("requested by"))
    def asked(self, action: BulkAction) -> SafeString:
        """Who asked for it, and when."""
        when = short_instant(action.created_at)
        return format_html("{}<br><small>{}</small>", action.requested_by, when)

    @admin.display(description=_("reason"))
    def reason_display(self, action: Any) -> SafeString | str:
        return one_line(for_user(action.reason, action.viewer))

    @admin.display(description=_("reason"))
    def reason_in_full(self, action: Any) -> str:
        return str(for_user(action.reason, action.viewer))

    target = computed_column(_("to the queue"), lambda action: target_of(action) or NOTHING)

    @admin.display(description=_("pace"))
    def pace_display(self, action: BulkAction) -> str:
        if action.pace is None:
            return gettext("as fast as it goes")
        return gettext("%(count)s runs a second at most") % {"count": f"{action.pace:,}"}

    @admin.display(description=_("done by the run"))
    def run_display(self, action: BulkAction) -> SafeString | str:
        return link(action.run) if action.run else NOTHING
