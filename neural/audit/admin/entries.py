"""The audit log in the admin: its list and the page of an entry, and its newest entries on the page
of each row.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import translation
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant,
    instant_column,
    json_block,
    link,
    link_column,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import StoreFilter
from neural.admin.pages import page
from neural.admin.paging import KeysetChangeList
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import HistoryAdmin, section
from neural.admin.store_links import register_rows_of_stores
from neural.audit.admin.searching import (
    ActionFilter,
    OutcomeFilter,
    PeriodFilter,
    SourceFilter,
    WhoFilter,
    began,
    entries_about,
    found_by,
    links_to_rows,
    seen_rows,
)
from neural.audit.titles import title_of
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.planning import by_store
from neural.kit.keyset.walks import Place, Walk
from neural.kit.sites import address_if_there
from neural.models import AuditEntry, AuditOutcome, TaskRun

OUT_OF_ORDER = dt.timedelta(hours=1)
"""Entries of transactions that last are in the order of neither time nor key: by so much."""
NAMED, NAMED_IN_FULL = 2, 100
"""Rows of an entry that the list and the entry's page name."""
COLOURS: dict[str, str] = {
    AuditOutcome.BEGUN: "running",
    AuditOutcome.DONE: "succeeded",
    AuditOutcome.REFUSED: "discarded",
    AuditOutcome.FAILED: "failed",
    AuditOutcome.STOPPED: "lost",
}
SHOWN = 10


class AuditChangeList(KeysetChangeList):
    """The list, with the rows that the entries of a page name: of each act the newest entry."""

    def get_queryset(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        rows: Any = super().get_queryset(request, *args, **options)
        return rows.standing()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        pages: Any = self.model_admin
        seen = seen_rows(request, pages.admin_site, self.result_list, most=NAMED)
        for entry in self.result_list:
            entry.seen = seen


@page(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    list_display = (
        short_instant_column(AuditEntry, "at"),
        "who",
        "what",
        "outcome_and_number",
        "rows_named",
        store_code_column(AuditEntry),
        "why",
    )
    list_display_links = ("what",)
    list_filter = (
        PeriodFilter,
        WhoFilter,
        ActionFilter,
        SourceFilter,
        StoreFilter,
        OutcomeFilter,
    )
    walks = (
        by_store(),
        Walk(parameter="actor", column="actor"),
        Walk(parameter="action", column="action"),
    )
    search_keys = ("actor",)  # shows the field; audit_search says what is looked for
    search_help_text = _("Who; a row, like “run 123” or a run's task id; or words of the reason.")
    fieldsets = (
        section(
            None,
            "what",
            instant_column(AuditEntry, "at"),
            "begun",
            "who",
            "why",
            ("outcome_display", "number"),
            "rows_in_full",
            link_column(AuditEntry, "store"),
        ),
        section(_("Details"), "changes", "query_display", "details_display", "code"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return AuditChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """The entries of a person, about a row, or with these words in their reason."""
        return found_by(request, queryset, search_term.strip()), False

    def chosen(self, request: HttpRequest) -> dict[str, str]:
        """The filters, and what the search limits as a filter would."""
        return {**getattr(request, "searched_as", {}), **super().chosen(request)}

    def find(
        self, request: HttpRequest, queryset: QuerySet, *, place: Place, **options: Any
    ) -> KeyPage:
        """The keys of a page. Beyond the beginning of the chosen period there is nothing to find,
        so it is not offered to go on from there."""
        found = super().find(request, queryset, place=place, **options)
        beginning = began(request.GET.get(PeriodFilter.parameter_name))
        if beginning is None or found.stopped_at is None or place.rises:
            return found
        last = AuditEntry.objects.filter(pk__lte=found.stopped_at).order_by("-pk").first()
        is_past = last is None or last.at < beginning - OUT_OF_ORDER
        return KeyPage(found.keys, more=False) if is_past else found

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The entry, with the rows that it names."""
        entry = super().get_object(request, *args, **options)
        if entry is not None:
            entry.seen = seen_rows(request, self.admin_site, [entry], most=NAMED_IN_FULL)
        return entry

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The act's title."""
        return super().row_context(request, row) | {"title": title_of(row.action)}

    # Columns

    @admin.display(description=_("who"))
    def who(self, entry: AuditEntry) -> SafeString:
        """The name, and what the person acted by unless it was the admin."""
        return format_html("{} <small>{}</small>", entry.actor, entry.get_source_display())

    what = computed_column(_("action"), title_of, "action")

    @admin.display(description=pgettext_lazy("audit log", "rows"))
    def rows_named(self, entry: Any) -> SafeString | str:
        return links_to_rows(entry, entry.seen, most=NAMED)

    @admin.display(description=pgettext_lazy("audit log", "rows"))
    def rows_in_full(self, entry: Any) -> SafeString | str:
        return links_to_rows(entry, entry.seen, most=NAMED_IN_FULL)

    why = computed_column(_("reason"), lambda entry: entry.reason or NOTHING)

    @admin.display(description=pgettext_lazy("audit log", "outcome"))
    def outcome_display(self, entry: AuditEntry) -> SafeString:
        return badge(COLOURS.get(entry.outcome, ""), entry.get_outcome_display())

    @admin.display(description=pgettext_lazy("audit log", "outcome"))
    def outcome_and_number(self, entry: AuditEntry) -> SafeString:
        """The outcome, with the number of changed rows if it is not one."""
        visible = self.outcome_display(entry)
        has_number = entry.count > 1 or (entry.outcome == AuditOutcome.DONE and not entry.count)
        return format_html("{} × {}", visible, f"{entry.count:,}") if has_number else visible

    @admin.display(description=_("earlier entry"))
    def begun(self, entry: AuditEntry) -> SafeString | str:
        """The entry in whose place this one stands, by its time: when the act began, or was
        stopped or resumed."""
        keys = entry.rows.filter(model="neural.auditentry").values_list("object_id", flat=True)
        earlier = AuditEntry.objects.filter(pk__in=list(map(int, keys)))
        ends = ((each.get_outcome_display(), link(each, instant(each.at))) for each in earlier)
        return format_html_join("; ", "{}: {}", ends) or NOTHING

    @admin.display(description=_("changed rows"))
    def number(self, entry: AuditEntry) -> str:
        changed_none = entry.outcome in (AuditOutcome.REFUSED, AuditOutcome.BEGUN)
        return NOTHING if changed_none else f"{entry.count:,}"

    @admin.display(description=_("what was changed"))
    def changes(self, entry: AuditEntry) -> SafeString | str:
        """What the action changed, in the reader's language."""
        changes = (
            (translation.gettext(each),) for each in entry.details.get("changes", ()) if each
        )
        return format_html_join("; ", "{}", changes) or NOTHING

    @admin.display(description=pgettext_lazy("audit log", "code"))
    def code(self, entry: AuditEntry) -> SafeString:
        return format_html("<code>{}</code>", entry.action)

    @admin.display(description=_("filter"))
    def query_display(self, entry: AuditEntry) -> SafeString | str:
        return format_html_join(" ", "<code>{}={}</code>", entry.query.items()) or NOTHING

    @admin.display(description=_("details"))
    def details_display(self, entry: AuditEntry) -> SafeString | str:
        return json_block({key: each for key, each in entry.details.items() if key != "changes"})


register_rows_of_stores(AuditEntry)


def _panel(request: HttpRequest, row: Model) -> Mapping[str, Any] | None:
    """The entries; None for who may not see them, and if there are none. The page of a run has them
    in its course."""
    may_see = request.user.has_perm("neural.view_auditentry")
    if row.pk is None or isinstance(row, TaskRun) or not may_see:
        return None
    keys = entries_about(type(row), row.pk).values_list("entry_id", flat=True)[: SHOWN + 1]
    seen = AuditEntry.objects.for_user(request.user).filter(pk__in=list(keys)).order_by("-pk")
    found = [{"entry": each, "title": title_of(each.action)} for each in seen]
    if not found:
        return None
    return {"acts": found[:SHOWN], "all_address": _all(row) if len(found) > SHOWN else ""}


def _all(row: Model) -> str:
    """The address of the audit log, searched for the row; empty if the site has no such list."""
    address = address_if_there("neural_auditentry_changelist")
    asked = urlencode({"q": f"{row._meta.label_lower} {row.pk}"})
    return f"{address}?{asked}" if address else ""


register_panel(
    Panel(
        name="what-people-did",
        model=Model,
        title=_("What people did"),
        template="admin/neural/auditentry/panel.html",
        context=_panel,
    )
)
