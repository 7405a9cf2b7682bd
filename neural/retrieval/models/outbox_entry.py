"""The outbox of the search index: the records that are still to be indexed.

An entry is written in the transaction that changes its record, so both are kept or neither. An
entry is never changed, only read, then deleted by the run that has indexed its record. So writers
of the same record do not wait for each other.
"""

from collections.abc import Collection, Mapping
from typing import Any, Self

from django.db import models
from django.db.models import Value
from django.db.models.functions import Mod, Now, StrIndex, Substr
from django.utils.translation import gettext_lazy as _

ERROR_LENGTH = 500


class OutboxEntryQuerySet(models.QuerySet):
    def waiting(self) -> Self:
        """Entries that an indexing run will take. The others were refused and wait for a person."""
        return self.filter(error="")

    def refused(self) -> Self:
        """Entries whose record cannot be a document."""
        return self.exclude(error="")

    def of_stores(self, codes: Collection[str]) -> Self:
        """Entries whose record belongs to one of these stores. A key begins with the store's
        code."""
        code = Substr("key", 1, StrIndex("key", Value("/")) - 1)
        return self.alias(code=code).filter(code__in=codes)

    def in_shard(self, number: int, *, of: int, history: bool) -> Self:
        """Waiting entries of shard ``number`` of ``of`` shards, the oldest first."""
        own = self.waiting().filter(history=history)
        if of > 1:
            own = own.alias(shard=Mod("id", of)).filter(shard=number)
        return own.order_by("id")

    def refuse(self, keys: Collection[int], why: str) -> int:
        """Record on these entries (primary keys) why their record cannot be indexed; returns how
        many."""
        return self.filter(pk__in=keys).update(error=why[:ERROR_LENGTH])

    def note_refused(self, collection: str, reasons: Mapping[str, str]) -> None:
        """Add an entry with the reason for each of these records (by key) that has no refused one
        yet."""
        own = self.refused().filter(collection=collection, key__in=reasons)
        known = set(own.values_list("key", flat=True))
        self.bulk_create(
            self.model(collection=collection, key=key, history=True, error=why[:ERROR_LENGTH])
            for key, why in reasons.items()
            if key not in known
        )

    def retry(self) -> int:
        """Let refused records be indexed again; returns how many."""
        return self.refused().update(error="")

    def append(
        self,
        collection: str,
        keys: Collection[str],
        *,
        ingested: bool = False,
        history: bool = False,
    ) -> list[Any]:
        """Add an entry for each of these records, in the caller's transaction; returns the
        entries."""
        rows = [
            self.model(collection=collection, key=key, ingested=ingested, history=history)
            for key in sorted(keys)
        ]
        return self.bulk_create(rows)


class OutboxEntry(models.Model):
    """A record whose newest state is not in the index yet."""

    collection = models.CharField(_("collection"), max_length=100)
    key = models.CharField(_("record"), max_length=300)
    ingested = models.BooleanField(
        _("ingested"),
        db_column="supplied",
        default=False,
        db_default=False,
        help_text=_("Whether the record came as it is, rather than from the database."),
    )
    history = models.BooleanField(
        _("history"),
        default=False,
        db_default=False,
        help_text=_("Of events that were loaded as history: these wait behind the others."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), db_column="marked_at")
    error = models.CharField(
        _("refused because"), max_length=ERROR_LENGTH, blank=True, default="", db_default=""
    )

    objects = OutboxEntryQuerySet.as_manager()

    class Meta:
        db_table = "neural_indexmark"
        verbose_name = _("record to index")
        verbose_name_plural = _("records to index")
        indexes = (
            # Indexing asks for the next entries. Live entries are found at once, however many of
            # history wait.
            models.Index(
                fields=["history", "id"],
                condition=models.Q(error=""),
                name="neural_index_outbox_waiting",
            ),
            models.Index(
                fields=["id"], condition=~models.Q(error=""), name="neural_index_outbox_refused"
            ),
        )

    def __str__(self) -> str:
        return f"{self.collection} {self.key}"

    def retry(self) -> bool:
        """Let a refused record be indexed again; returns whether it was refused."""
        changed = type(self).objects.filter(pk=self.pk).retry()
        if changed:
            self.error = ""
        return bool(changed)
