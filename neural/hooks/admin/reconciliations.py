"""The admin's pages of reconciliations: what platforms were asked for, and what no push brought."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    computed_column,
    instant_column,
    link_column,
    short_instant_column,
    state_column,
)
from neural.admin.filters import choice_filter
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin, section
from neural.batches.admin.batch_progress import Part, Progress, bars_of
from neural.hooks.admin.unrouted import SourceFilter
from neural.hooks.incoming import reconciling
from neural.hooks.incoming.reconciling import why_not
from neural.hooks.models import Reconciliation, ReconciliationState, WebhookSource
from neural.kit.keyset.planning import WholeNumbers
from neural.kit.keyset.walks import Walk

COLOURS: dict[str, str] = {
    ReconciliationState.ASKING: "running",
    ReconciliationState.DONE: "succeeded",
    ReconciliationState.FAILED: "failed",
}
PARTS = {
    "here": _("already here"),
    "submitted": _("submitted"),
    "untranslated": _("not translated"),
}
PART_COLOURS = {"here": "succeeded", "submitted": "running", "untranslated": "failed"}


def ask(source: WebhookSource, user: Any, *days: dt.date) -> bool:
    """Have a platform asked for these days. Returns whether it can be asked."""
    if why_not(source):
        return False
    for day in days:
        reconciling.request(source, day, by=user.get_username())
    return True


ASK_AGAIN = Verb(
    name="ask_again",
    label=_("Ask again"),
    explanation=_("Ask again: ask the platforms for these days once more"),
    permission="neural_hooks.reconcile_webhooksource",
    apply=lambda row, user: ask(row.source, user, row.day),
    fits=lambda row: not why_not(row.source),
    change=gettext_noop("asked for what was missed once more"),
)


def in_words(row: Reconciliation) -> str:
    """What came of it, as a sentence."""
    text = gettext(
        "%(found)d found: %(here)d already here, %(submitted)d submitted, %(untranslated)d not "
        "translated."
    )
    text %= {name: getattr(row, name) for name in ("found", *PARTS)}
    if row.failures:
        failed = ngettext("%(count)d store failed.", "%(count)d stores failed.", len(row.failures))
        text += " " + failed % {"count": len(row.failures)}
    return text


@page(Reconciliation)
class ReconciliationAdmin(VerbsAdmin, HistoryAdmin):
    verbs = (ASK_AGAIN,)
    list_display = (
        "day",
        link_column(Reconciliation, "source"),
        "state_display",
        "orders",
        "failed",
        short_instant_column(Reconciliation, "created_at"),
    )
    list_filter = (choice_filter(_("state"), "state", ReconciliationState), SourceFilter)
    walks = (Walk(parameter="source", column="source", values=WholeNumbers()),)
    fieldsets = (
        section(
            None,
            ("day", link_column(Reconciliation, "source")),
            "state_display",
            "words",
            "orders",
            "reasons",
            ("asked", "stores_done", "stores"),
            ("requested_by", instant_column(Reconciliation, "created_at")),
            instant_column(Reconciliation, "ended_at"),
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural/batches.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("source")
        return rows.defer("source__credentials")

    # A page that follows it

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        is_open = row.state == ReconciliationState.ASKING
        return {
            **super().row_context(request, row),
            **(_progress(row) if is_open else {}),
            "refresh_seconds": 2 if is_open else 0,
        }

    # Columns

    state_display = state_column(_("state"), COLOURS)
    words = computed_column(_("in words"), in_words)

    @admin.display(description=_("orders and payments"))
    def orders(self, row: Reconciliation) -> SafeString:
        """The parts of what was found, drawn and counted."""
        counts = {name: getattr(row, name) for name in PARTS if getattr(row, name)}
        parts = [Part(PARTS[name], f"{number:,}", "") for name, number in counts.items()]
        progress = Progress(parts, list(bars_of(counts, PART_COLOURS)))
        return render_to_string("neural/batch/bar.html", {"progress": progress})

    @admin.display(description=_("failed requests"))
    def failed(self, row: Reconciliation) -> str:
        return f"{len(row.failures):,}" if row.failures else NOTHING

    @admin.display(description=_("failed requests"))
    def reasons(self, row: Reconciliation) -> SafeString | str:
        """Of which store, and why."""
        rows = [(each["code"] or gettext("the account"), each["reason"]) for each in row.failures]
        if not rows:
            return NOTHING
        lines = format_html_join(mark_safe("<br>"), "{}: {}", rows)
        return format_html('<span class="neural-error">{}</span>', lines)


def _progress(row: Reconciliation) -> dict[str, Any]:
    return {
        "row": row,
        "is_asking": row.state == ReconciliationState.ASKING,
        "words": in_words(row),
    }
