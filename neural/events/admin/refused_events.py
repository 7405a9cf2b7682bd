"""The admin's pages of refused events: what was sent, why it was refused; correct or dismiss it."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    code_block,
    computed_column,
    indented,
    instant_column,
    json_block,
    link_column,
    one_line,
    short_instant_column,
    state_column,
)
from neural.admin.filters import EventTypeFilter, StoreFilter, choice_filter
from neural.admin.look_up import LookUp, LookUpAdmin, register_look_up
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin, section
from neural.events.admin.correcting import CorrectingAdmin
from neural.events.changes import refusals_changed
from neural.kit.keyset.exact import named_exactly
from neural.kit.keyset.planning import STORE
from neural.kit.keyset.walks import Walk
from neural.models import EntryPoint, RefusalState, RefusedEvent
from neural.personal.redacting import for_user, sees_personal_data
from neural.runs.about import About

MOST_LOOKED_THROUGH = 2_000
"""How many of the newest rows' payloads a search reads: no index covers their content."""

MOST_UNMASKED = 200
"""How many of the rows found are looked at for those who may not see personal data."""

COLOURS: dict[str, str] = {
    RefusalState.OPEN: "dead",
    RefusalState.CORRECTED: "succeeded",
    RefusalState.DISMISSED: "discarded",
}


def _noted(refused: RefusedEvent, is_changed: bool) -> bool:
    """Let the search index follow a change of state. Returns whether there was one."""
    if is_changed:
        refusals_changed([(refused.store_code, refused.pk)])
    return is_changed


DISMISS = Verb(
    name="dismiss",
    label=_("Dismiss"),
    explanation=_("Dismiss: nothing is to be done about these"),
    permission="neural.dismiss_refusedevent",
    apply=lambda refused, user: _noted(refused, refused.dismiss(by=user.get_username())),
    fits=lambda refused: refused.state == RefusalState.OPEN,
    change=gettext_noop("state: open → dismissed (dismiss)"),
)
REOPEN = Verb(
    name="reopen",
    label=_("Open again"),
    explanation=_("Open again: these were dismissed, and something is to be done after all"),
    permission="neural.dismiss_refusedevent",
    apply=lambda refused, user: _noted(refused, refused.reopen()),
    fits=lambda refused: refused.state == RefusalState.DISMISSED,
    change=gettext_noop("state: dismissed → open (open again)"),
)


RefusalStateFilter = choice_filter(_("state"), "state", RefusalState)
EntryPointFilter = choice_filter(_("way it came"), "entry_point", EntryPoint)


class StoreCodeFilter(StoreFilter):
    """A filter by store code; the code may belong to no store."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        choices = super().lookups(request, model_admin)
        self.more = True  # shows the field for a code that belongs to no store
        return choices

    def condition(self, value: str) -> Q:
        return Q(store_code=value)


@page(RefusedEvent)
class RefusedEventAdmin(LookUpAdmin, CorrectingAdmin, VerbsAdmin, HistoryAdmin):
    verbs = (DISMISS, REOPEN)
    list_display = (
        "type_display",
        "event_id_display",
        "state_and_times",
        "problem",
        "store_display",
        short_instant_column(RefusedEvent, "last_refused_at"),
        "source_display",
    )
    list_display_links = ("type_display", "event_id_display")
    list_filter = (RefusalStateFilter, EventTypeFilter, EntryPointFilter, StoreCodeFilter)
    walks = (
        Walk(parameter=STORE, column="store_code"),
        Walk(parameter="type", column="type"),
        Walk(parameter="entry_point", column="entry_point"),
        Walk(parameter="state", column="state"),
    )
    search_keys = ("event_id", "source", "store_code")
    search_help_text = _(
        "A whole event id, source or store code; or text in a payload of the newest 2,000."
    )
    fieldsets = (
        section(
            None,
            ("type_display", "state_display"),
            "problems_display",
            ("store_code", "source", "event_id_display"),
            "details_display",
            "payload_display",
        ),
        section(
            _("Course"),
            ("entry_point", "requested_by", "times"),
            (
                instant_column(RefusedEvent, "refused_at"),
                instant_column(RefusedEvent, "last_refused_at"),
            ),
            ("handled_by", instant_column(RefusedEvent, "handled_at")),
            link_column(RefusedEvent, "corrected_event"),
        ),
    )

    def for_page(self, queryset: QuerySet) -> QuerySet:
        return queryset.defer("payload")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search by a key; if none matches, search the payloads of the newest rows."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        if not term or found.order_by().exists():
            return found, may_repeat
        found = _with_text(queryset, term)
        if sees_personal_data(request.user):
            return found, False
        return queryset.filter(pk__in=_shown_in(found, re.escape(term), request.user)), False

    # Columns

    type_display = computed_column(_("type"), lambda refused: one_line(refused.type or "?"))

    @admin.display(description=_("event id"))
    def event_id_display(self, refused: RefusedEvent) -> SafeString | str:
        return one_line(refused.event_id or "?")

    store_display = computed_column(_("store"), one_line, "store_code")
    source_display = computed_column(_("source"), one_line, "source")
    state_display = state_column(_("state"), COLOURS)

    @admin.display(description=_("state"))
    def state_and_times(self, refused: RefusedEvent) -> SafeString:
        """A column of the list: the state, with how often the event has come."""
        label = refused.get_state_display()
        text = label if refused.times == 1 else f"{label} × {refused.times:,}"
        return badge(COLOURS[refused.state], text)

    @admin.display(description=_("problem"))
    def problem(self, refused: RefusedEvent) -> SafeString | str:
        return one_line("; ".join(f"{field}: {reason}" for field, reason in problems_of(refused)))

    @admin.display(description=_("problems"))
    def problems_display(self, refused: RefusedEvent) -> SafeString:
        each = format_html_join("", "<li><code>{}</code> {}</li>", problems_of(refused))
        return format_html('<ul class="neural-problems">{}</ul>', each)

    details_display = computed_column(_("also asked for"), json_block, "details")

    @admin.display(description=_("payload"))
    def payload_display(self, refused: RefusedEvent) -> SafeString | str:
        """The payload, indented if it is JSON; else as it came, cut if it was too long to keep."""
        if not refused.payload:
            return NOTHING
        visible = code_block(indented(refused.payload))
        if not refused.payload_cut:
            return visible
        return format_html(
            '{}<p class="help">{}</p>',
            visible,
            _("It was longer than what is kept: the rest is cut."),
        )


def _with_text(rows: QuerySet, text: str) -> QuerySet:
    """Those of the newest rows that have a text in their payload."""
    newest = rows.order_by("-pk").only("pk")[:MOST_LOOKED_THROUGH]
    least = min((each.pk for each in newest), default=0)
    return rows.filter(pk__gte=least, payload__icontains=text)


def _shown_in(found: QuerySet, pattern: str, user: Any) -> list[int]:
    """Of these rows those that have the pattern in what the user may see: who may not see personal
    data must not find it by trying, either."""
    payloads = found.order_by("-pk").values_list("pk", "payload")[:MOST_UNMASKED]
    wanted = re.compile(pattern, re.IGNORECASE)
    return [pk for pk, payload in payloads if wanted.search(for_user(payload, user))]


def _naming(rows: QuerySet, text: str, user: Any) -> list[int]:
    """Refused events with this id, and those whose payload names it as a whole."""
    named = rf"(?<![A-Za-z0-9_-]){re.escape(text)}(?![A-Za-z0-9_-])"
    by_payload = _shown_in(_with_text(rows, text), named, user)
    return [*{*named_exactly(rows, text, ["event_id"]), *by_payload}]


def _first_problems(refused: Sequence[RefusedEvent], user: Any) -> dict[int, list[About]]:
    """Why each was refused, in the words of its first problem."""
    return {
        each.pk: [About(for_user(": ".join(problem), user)) for problem in problems_of(each)[:1]]
        for each in refused
    }


register_look_up(
    LookUp(
        name="refused_event",
        model=RefusedEvent,
        near=_naming,
        sentence=ngettext_lazy(
            "%(count)s refused event names it", "%(count)s refused events name it", "number"
        ),
        moment="last_refused_at",
        about=_first_problems,
    )
)


def problems_of(refused: RefusedEvent) -> list[tuple[str, str]]:
    """Field and reason of each problem."""
    return [(str(each["field"]), str(each["reason"])) for each in refused.problems]
