"""The admin's pages of pushes that belong to no store yet: what came, and why it waits."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    code_block,
    computed_column,
    indented,
    instant_column,
    json_block,
    link_column,
    one_line,
    short_instant_column,
    state_column,
    value_of,
)
from neural.admin.filters import EqualityFilter, choice_filter
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin, section
from neural.hooks.incoming.routing import route
from neural.hooks.models import PushState, UnroutedPush, WebhookSource
from neural.personal.patterns import HIDDEN
from neural.personal.redacting import is_masked, shown

SHOWN_CHARACTERS = 64 * 1024
SOURCES_LISTED = 50
ROUTED = gettext_noop("state: waiting → routed (route)")
DISMISSED = gettext_noop("state: waiting → dismissed (dismiss)")
REOPENED = gettext_noop("state: dismissed → waiting (open again)")

ROUTE = Verb(
    name="route",
    label=_("Route"),
    explanation=_("Route: read these pushes again and give them to the stores of their codes"),
    permission="neural_hooks.route_unroutedpush",
    apply=lambda kept, user: route(kept),
    fits=lambda kept: kept.state == PushState.WAITING,
    change=lambda kept: ROUTED,
)
DISMISS = Verb(
    name="dismiss",
    label=_("Dismiss"),
    explanation=_("Dismiss: nothing is to be done about these pushes"),
    permission="neural_hooks.dismiss_unroutedpush",
    apply=lambda kept, user: kept.dismiss(),
    fits=lambda kept: kept.state == PushState.WAITING,
    change=lambda kept: DISMISSED,
)
REOPEN = Verb(
    name="reopen",
    label=_("Open again"),
    explanation=_("Open again: these pushes were dismissed, but need something after all"),
    permission="neural_hooks.dismiss_unroutedpush",
    apply=lambda kept, user: kept.reopen(),
    fits=lambda kept: kept.state == PushState.DISMISSED,
    change=lambda kept: REOPENED,
)
COLOURS: dict[str, str] = {
    PushState.WAITING: "unhandled",
    PushState.ROUTED: "succeeded",
    PushState.DISMISSED: "discarded",
}


PushStateFilter = choice_filter(_("state"), "state", PushState)


class SourceFilter(EqualityFilter):
    title = _("webhook source")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        mine = WebhookSource.objects.for_user(request.user).order_by("name")
        return [(str(pk), name) for pk, name in mine.values_list("pk", "name")[:SOURCES_LISTED]]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        if not value:
            return queryset
        is_key = value.isascii() and value.isdigit() and len(value) < 19
        return queryset.filter(source=value) if is_key else queryset.none()


@page(UnroutedPush)
class UnroutedPushAdmin(VerbsAdmin, HistoryAdmin):
    verbs = (ROUTE, DISMISS, REOPEN)
    list_display = (
        "push_id_display",
        "state_display",
        "source",
        "store_code_display",
        "reason_display",
        short_instant_column(UnroutedPush, "received_at"),
    )
    list_filter = (PushStateFilter, SourceFilter)
    list_select_related = ("source",)
    search_keys = ("push_id", "store_code")
    search_help_text = _("A whole push id or store code.")
    from_outside = ("payload",)
    fieldsets = (
        section(
            None,
            ("source", "state_display"),
            "reason_whole",
            ("push_id", "store_code"),
            (
                instant_column(UnroutedPush, "received_at"),
                instant_column(UnroutedPush, "occurred_at"),
            ),
            link_column(UnroutedPush, "event"),
        ),
        section(_("As it came"), "address", "headers", "body"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return (
            super()
            .get_queryset(request)
            .select_related("source")
            .defer("source__credentials", "payload")
        )

    # Columns

    push_id_display = computed_column(_("push id"), one_line, "push_id")
    state_display = state_column(_("state"), COLOURS)
    store_code_display = computed_column(_("store code"), one_line, "store_code")
    reason_display = computed_column(_("reason"), one_line, "reason")

    reason_whole = computed_column(_("reason"), lambda kept: kept.reason or NOTHING)

    @admin.display(description=_("request"))
    def address(self, kept: UnroutedPush) -> SafeString:
        content = _request(kept)
        line = (content.get(name) for name in ("method", "url"))
        return format_html("<code>{}</code>", " ".join(str(each) for each in line if each))

    @admin.display(description=_("headers"))
    def headers(self, kept: UnroutedPush) -> SafeString | str:
        return json_block(_request(kept).get("headers", {}))

    @admin.display(description=_("body"))
    def body(self, kept: UnroutedPush) -> SafeString | str:
        """The body, indented if it is JSON; in base64 if it is no text."""
        content = _request(kept)
        text = content.get("body")
        if not isinstance(text, str):
            return json_block(value_of(kept, "payload"))
        if not text:
            return NOTHING
        if "encoding" in content and is_masked():
            return HIDDEN  # nobody can tell what is in it
        is_long = len(text) > SHOWN_CHARACTERS
        part = shown(text)[:SHOWN_CHARACTERS] if is_long else indented(text)
        block = code_block(part)
        notes = [
            gettext("It is no text: shown in base64.") if "encoding" in content else "",
            gettext("It is longer than what is shown, but kept whole.") if is_long else "",
        ]
        note = " ".join(filter(None, notes))
        return format_html('{}<p class="help">{}</p>', block, note) if note else block


def _request(kept: UnroutedPush) -> Mapping[str, Any]:
    """The request that a row keeps. Empty if the row has no request in our form: whatever wrote it
    was not this version, and its page is the place to see that."""
    content = value_of(kept, "payload")
    return content if isinstance(content, Mapping) else {}
