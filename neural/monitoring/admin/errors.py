"""The admin's pages of error groups, and the panel on the page of a run."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import VerbsAdmin, do_with_reason, next_page
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant,
    instant_column,
    link,
    page_address,
    short_instant,
    state_column,
)
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.paging import OrderedChangeList, key_in
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import ReadOnlyAdmin, section
from neural.kit.charts import standing
from neural.kit.keyset import bounded
from neural.kit.keyset.walks import Place
from neural.kit.sites import address_in_admin
from neural.ledger.clock import database_clock
from neural.models import TaskAttempt, TaskRun
from neural.monitoring.admin.error_filters import (
    GroupStateFilter,
    HitStoreFilter,
    PeriodFilter,
    WorkFilter,
)
from neural.monitoring.console.error_verbs import (
    DECISIONS,
    DISCARD_RUNS,
    RESOLVE,
    RETRY_RUNS,
    VERBS,
    acts_on,
)
from neural.monitoring.errors.acting import FILTER, MOST_GROUPS
from neural.monitoring.errors.fingerprint import LOST
from neural.monitoring.errors.groups import (
    Codes,
    codes_of,
    dead_runs,
    example_errors,
    figures_of,
    groups_for,
    hits_of,
    sample_attempts,
    trends_of,
)
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun
from neural.personal.redacting import for_user
from neural.runs.acts import CHOSEN
from neural.runs.admin.runs_list.filter_pages import FilterPage, register_filter_page

SAMPLES = 5
LISTED = 50
WEEK = 7 * 24
COLOURS = {
    ErrorGroupState.OPEN.value: "failed",
    ErrorGroupState.MUTED.value: "unhandled",
    ErrorGroupState.RESOLVED.value: "succeeded",
}
SHEET = "neural_monitoring/errors.css"


class GroupList(OrderedChangeList):
    """The list, in the order in which groups failed last, with the figures of each page's rows."""

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        found = super().show(place, request)
        figures = figures_of(self.result_list, codes_of(request.user))
        by_key = {each.group.pk: each for each in figures}
        self.result_list = [row for row in self.result_list if row.pk in by_key]
        for row in self.result_list:
            row.figures = by_key[row.pk]
        if request.user.has_perm("neural.view_taskrun"):
            examples = example_errors([*by_key], codes_of(request.user))
            for row in self.result_list:
                row.example = for_user(examples.get(row.pk) or "", request.user)
        return found

    def _days(self, *args: Any) -> None:
        return None


@page(ErrorGroup)
class ErrorGroupAdmin(VerbsAdmin, ReadOnlyAdmin):
    verbs = VERBS
    page_order = ("-shown_last", "-pk")
    list_per_page = 25
    list_display = ("cause", "state_badge", "trend", "day", "dead", "stores", "last")
    list_filter = (GroupStateFilter, PeriodFilter, HitStoreFilter, WorkFilter)
    search_keys = ("exception",)
    search_help_text = _("A part of the exception, the message or the place.")

    class Media:
        css = {"all": (SHEET,)}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The groups that hit the user's stores."""
        return groups_for(codes_of(request.user))

    def get_export_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """What counts or decides for the whole chain is left to those who see all of it."""
        own = ("id", "exception", "message", "frame", "root", "state", "shown_last")
        if codes_of(request.user) is not None:
            return own
        decided = ("decided_by", "muted_until", "resolved_at", "reopened_at")
        return (*own, "attempts", "first_at", *decided)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[GroupList]:
        return GroupList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """The groups whose texts contain the term, among those that failed last."""
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset if not term else queryset.none(), False
        recent = self.get_queryset(request).order_by(*self.page_order)
        keys = recent.values_list("pk", flat=True)[: bounded.MOST_ROWS]
        matches = (
            Q(exception__icontains=term) | Q(message__icontains=term) | Q(frame__icontains=term)
        )
        return queryset.filter(matches, pk__in=list(keys)), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """The group with its figures."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            figures = figures_of([found], codes_of(request.user))
            if not figures:
                return None
            found.figures = figures[0]
        return found

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        decided = ["state_badge", "decided_by"]
        if codes_of(request.user) is None:
            decided += [
                instant_column(ErrorGroup, "muted_until"),
                instant_column(ErrorGroup, "resolved_at"),
                instant_column(ErrorGroup, "reopened_at"),
            ]
        counted = ("attempts_display", "first_display", "last_display")
        cause = ["exception_display", "message_display", "frame", "root"]
        return [section(None, *cause, counted), section(_("Decision"), tuple(decided))]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the group hits, samples and dead runs."""
        return super().row_context(request, row) | _about(row, request)

    @address("resolve/", "_resolve")
    def resolve_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what becomes of the dead runs of chosen groups; sent, resolve these and leave the
        runs dead."""
        if not RESOLVE.is_permitted(request.user):
            raise PermissionDenied
        back = next_page(request) or address_in_admin("neural_monitoring_errorgroup_changelist")
        keys = filter(None, map(key_in, request.GET.getlist(CHOSEN)[:MOST_GROUPS]))
        groups = self.get_queryset(request).filter(pk__in=list(keys)).order_by("pk")
        if request.method == "POST":
            do_with_reason(self, request, RESOLVE, groups)
            return HttpResponseRedirect(back)
        verbs = [each for each in (RETRY_RUNS, DISCARD_RUNS) if each.is_permitted(request.user)]
        return self.own_page(
            request,
            "admin/neural_monitoring/errorgroup/resolve.html",
            title=RESOLVE.label,
            back=back,
            figures=figures_of(list(groups), None),
            first=[(each.label, each.leads_to(groups, "")) for each in verbs],
        )

    # Columns

    @admin.display(description=_("error group"))
    def cause(self, group: Any) -> SafeString:
        """Type, code, the error of the newest attempt that the user may see, and the place."""
        example = getattr(group, "example", "").removeprefix(f"{group.exception}: ")
        texts = format_html_join(
            "",
            ' <span class="neural-message">{}</span>',
            ((text,) for text in (group.message, example) if text),
        )
        place = format_html('<br><small class="neural-place">{}</small>', group.frame)
        return format_html("<strong>{}</strong>{}{}", exception_of(group), texts, place)

    state_badge = state_column(_("state"), COLOURS)

    trend = computed_column(_("last 24 hours"), lambda group: sparkline(group.figures.trend))

    day = computed_column(_("failed in 24 hours"), lambda group: group.figures.attempts_of_day)

    dead = computed_column(_("dead runs"), lambda group: group.figures.dead_text)

    stores = computed_column(_("stores"), lambda group: group.figures.stores)

    @admin.display(description=pgettext_lazy("failure", "last"))
    def last(self, group: Any) -> SafeString | str:
        return short_instant(group.figures.last_at)

    # Fields

    @admin.display(description=_("exception"))
    def exception_display(self, group: ErrorGroup) -> str:
        return exception_of(group)

    @admin.display(description=_("error code"))
    def message_display(self, group: ErrorGroup) -> SafeString | str:
        if not group.message:
            return NOTHING
        return format_html('<pre class="neural-code">{}</pre>', group.message)

    attempts_display = computed_column(_("failed attempts"), lambda group: group.figures.attempts)

    @admin.display(description=pgettext_lazy("failure", "first"))
    def first_display(self, group: Any) -> SafeString | str:
        return instant(group.figures.first_at)

    @admin.display(description=pgettext_lazy("failure", "last"))
    def last_display(self, group: Any) -> SafeString | str:
        return instant(group.figures.last_at)


def sparkline(counts: Sequence[int]) -> SafeString:
    """A bar for each hour, the oldest first; its numbers are what screen readers say."""
    most = max(counts, default=0)
    title = gettext("%(sum)d in %(hours)d hours, at most %(most)d an hour") % {
        "sum": sum(counts),
        "hours": len(counts),
        "most": most,
    }
    bars = [
        standing(place, count / most, step=4, height=24, gap=0.25, shortest=1.5)
        for place, count in enumerate(counts)
        if count
    ]
    return format_html(
        '<svg class="neural-sparkline" viewBox="0 0 {} 24" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><title>{}</title>{}</svg>',
        len(counts) * 4,
        title,
        title,
        format_html_join(
            "",
            '<rect x="{}" y="{}" width="{}" height="{}"></rect>',
            ((each.x, each.y, each.width, each.height) for each in bars),
        ),
    )


def exception_of(group: ErrorGroup) -> str:
    """The type of the exception, or that no exception ended the attempts."""
    return gettext("Lost delivery") if group.exception == LOST else group.exception


def _about(group: Any, request: HttpRequest) -> dict[str, Any]:
    codes = codes_of(request.user)
    week = trends_of([group.pk], codes, now=database_clock(), hours=WEEK)[group.pk]
    stores = list(hits_of(group.pk, codes, "store_code")[: LISTED + 1])
    about = {
        "figures": group.figures,
        "day_chart": sparkline(group.figures.trend),
        "week_chart": sparkline(week),
        "works": list(hits_of(group.pk, codes, "work")[:LISTED]),
        "stores_hit": stores[:LISTED],
        "more_stores": len(stores) > LISTED,
        "dead_count": group.figures.dead_text,
    }
    if request.user.has_perm("neural.view_taskrun"):
        about |= {"samples": _samples(group, codes), "dead_runs": _dead(group, codes)}
    return about


def _samples(group: ErrorGroup, codes: Codes) -> list[TaskAttempt]:
    keys = sample_attempts(group.pk, codes, SAMPLES)
    rows = TaskAttempt.objects.select_related("run", "run__store").filter(pk__in=keys)
    return list(rows.defer("run__args", "run__kwargs", "run__result").order_by("-pk"))


def _dead(group: ErrorGroup, codes: Codes) -> list[TaskRun]:
    rows = dead_runs(group.pk, codes).select_related("store")
    return list(rows.defer("args", "kwargs", "result").order_by("-pk")[:LISTED])


# On the page of a run


def _group_of(request: HttpRequest, run: TaskRun) -> dict[str, Any] | None:
    if not request.user.has_perm("neural_monitoring.view_errorgroup"):
        return None
    row = FailedRun.objects.filter(pk=run.pk).first()
    group = groups_for(codes_of(request.user)).filter(pk=row.group_id).first() if row else None
    if group is None:
        return None
    return {
        "link": link(group, for_user(str(group), request.user)),
        "frame": group.frame,
        "state": badge(COLOURS[group.state], group.get_state_display()),
    }


def _page_of_group(user: Any, value: str) -> FilterPage | None:
    """The group that a filter of runs names: its page, and what can be decided about it. Its dead
    runs are those of the list, which has its own buttons."""
    if not user.has_perm("neural_monitoring.view_errorgroup") or not value.isdigit():
        return None
    group = groups_for(codes_of(user)).filter(pk=value).first()
    address = page_address(group) if group else ""
    return FilterPage(address, acts_on(group, user, names=DECISIONS)) if address else None


register_filter_page(FILTER, _page_of_group)
register_panel(
    Panel(
        name="error-group",
        model=TaskRun,
        title=_("Error group"),
        template="neural_monitoring/run_error_group.html",
        context=_group_of,
        media=Media(css={"all": (SHEET,)}),
        is_first=True,
    )
)
