"""The admin pages of outbox entries (records to index) and of ingested records."""

from typing import Any, ClassVar

from django.db.models import Q
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.actions import VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant_column,
    json_column,
    one_line,
    short_instant_column,
)
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin
from neural.kit.keyset.walks import Walk
from neural.retrieval.admin.indexes import RETRY, CollectionFilter, RefusedFilter
from neural.retrieval.models import IngestedRecord, OutboxEntry


def _state(entry: OutboxEntry) -> SafeString:
    return badge("refused", _("refused")) if entry.error else badge("pending", _("waiting"))


@page(OutboxEntry)
class OutboxEntryAdmin(VerbsAdmin, HistoryAdmin):
    """A key begins with the store's code, so users see the entries of their own stores."""

    verbs = (RETRY,)
    list_display = (
        "key",
        "collection",
        "state",
        "error_display",
        short_instant_column(OutboxEntry, "created_at"),
    )
    list_filter = (RefusedFilter, CollectionFilter)
    walks = (Walk(parameter="refused", values=("1",), condition=~Q(error="")),)
    fields = (
        "collection",
        "key",
        "state",
        "error",
        ("ingested", "history"),
        instant_column(OutboxEntry, "created_at"),
    )

    class Media:
        css = {"all": ("neural_retrieval/search.css",)}

    state = computed_column(gettext_lazy("state"), _state)
    error_display = computed_column(gettext_lazy("refused because"), one_line, "error")


@page(IngestedRecord)
class IngestedRecordAdmin(HistoryAdmin):
    list_display = (
        "key",
        "collection",
        "store_display",
        short_instant_column(IngestedRecord, "ingested_at"),
    )
    list_filter: ClassVar[Any] = (CollectionFilter,)
    from_outside = ("data",)
    fields = (
        "collection",
        "key",
        "store_display",
        instant_column(IngestedRecord, "ingested_at"),
        json_column(IngestedRecord, "data"),
    )

    store_display = computed_column(
        gettext_lazy("store"), lambda record: record.store_code or NOTHING
    )
