"""The outbox of the search index: the records that are still to be indexed, and who indexes them.

An entry is written in the transaction that changes its record, so both are kept or neither. An
entry is never changed, only read, then deleted by the run that has indexed its record. So writers
of the same record do not wait for each other.

Shards are how many indexing runs may work at the same time. An entry belongs to the shard whose
number is the entry's id modulo the number of shards. If two runs had the same shard, they would do
the same work twice but no harm.

Ingested records were given by a caller to be searched, and are nowhere else in the database."""

from collections.abc import Collection, Mapping
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Value
from django.db.models.functions import Concat, Mod, Now, StrIndex, Substr
from django.utils.translation import gettext_lazy as _

from neural.models.store import StoreScopedQuerySet

ERROR_LENGTH = 500


class OutboxEntryQuerySet(StoreScopedQuerySet):
    def waiting(self) -> Self:
        """Entries that an indexing run will take. The others were refused and wait for a person."""
        return self.filter(error="")

    def refused(self) -> Self:
        """Entries whose record cannot be a document."""
        return self.exclude(error="")

    def in_stores(self, codes: Collection[str] | None) -> Self:
        """Entries whose record belongs to one of these stores; all if ``codes`` is None. A key
        begins with the store's code."""
        if codes is None:
            return self
        # With a slash after it, as PostgreSQL refuses to cut a key that has none.
        code = Substr("key", 1, StrIndex(Concat("key", Value("/")), Value("/")) - 1)
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
        changed = type(self).objects.refused().filter(pk=self.pk).update(error="")
        if changed:
            self.error = ""
        return bool(changed)


TROUBLE_LENGTH = 500


class IndexShard(models.Model):
    """A shard of the index outbox, which one run at a time works on."""

    history = models.BooleanField()
    number = models.PositiveSmallIntegerField()
    task_id = models.CharField(max_length=255, default="")
    """Of the run that was last asked for."""
    trouble = models.CharField(max_length=TROUBLE_LENGTH, default="", db_default="")

    class Meta:
        db_table = "neural_indexlane"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint("history", "number", name="neural_index_shard_identity"),
        )

    def __str__(self) -> str:
        return f"{'history' if self.history else 'live'} {self.number}"

    def hand_to(self, task_id: str) -> bool:
        """Assign another run to this shard; False if another process was faster."""
        rows = type(self).objects.filter(pk=self.pk, task_id=self.task_id)
        return bool(rows.update(task_id=task_id))

    def note_trouble(self, trouble: str) -> bool:
        """Record why this shard waits; an empty text says that it no longer does. Returns whether
        that is news."""
        rows = type(self).objects.filter(pk=self.pk).exclude(trouble=trouble[:TROUBLE_LENGTH])
        return bool(rows.update(trouble=trouble[:TROUBLE_LENGTH]))


class IngestedRecordQuerySet(StoreScopedQuerySet):
    store_field = "store_code"


class IngestedRecord(models.Model):
    """A record that ``index_to_vector_db`` was given. It is kept until an event says something
    newer."""

    collection = models.CharField(_("collection"), max_length=100)
    key = models.CharField(_("record"), max_length=300)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    data = models.JSONField(_("data"), encoder=DjangoJSONEncoder)
    ingested_at = models.DateTimeField(_("ingested at"), db_default=Now(), db_column="supplied_at")

    objects = IngestedRecordQuerySet.as_manager()

    class Meta:
        db_table = "neural_suppliedrecord"
        verbose_name = _("ingested record")
        verbose_name_plural = _("ingested records")
        constraints = (
            models.UniqueConstraint("collection", "key", name="neural_ingested_record_identity"),
        )

    def __str__(self) -> str:
        return f"{self.collection} {self.key}"
