"""Search indexes: which table of the vector store a collection is searched in.

An index is a generation: made empty, filled, then the one that is searched until a newer one
takes its place. Each change of state is a verb, a conditional UPDATE that says whether it happened.
"""

from typing import Any, Self

from django.db import models, router, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class IndexState(models.TextChoices):
    BUILDING = "building", _("being built")
    ACTIVE = "active", _("active")
    RETIRED = "retired", _("replaced")
    CANCELLED = "cancelled", _("cancelled")


class SearchIndexQuerySet(models.QuerySet):
    def active(self) -> Self:
        """Those that are searched: at most one a collection."""
        return self.filter(state=IndexState.ACTIVE)

    def written(self) -> Self:
        """Those that changed records are written to: what is searched and what is being built."""
        return self.filter(state__in=(IndexState.ACTIVE, IndexState.BUILDING))


class SearchIndex(models.Model):
    """One generation of a collection's index."""

    collection = models.CharField(_("collection"), max_length=100)
    table = models.CharField(_("table"), max_length=150, unique=True)
    store_kind = models.CharField(_("vector store"), max_length=100)
    embedder = models.CharField(
        _("model"), max_length=150, help_text=_("Whose vectors it holds; others do not compare.")
    )
    dimensions = models.PositiveIntegerField(_("dimensions"))
    vectors = models.JSONField(_("vectors of a record"), default=list)
    token_form = models.PositiveIntegerField(
        _("form of its tokens"), help_text=_("How words were taken apart when it was made.")
    )
    state = models.CharField(
        _("state"), max_length=10, choices=IndexState.choices, default=IndexState.BUILDING
    )
    cursor = models.CharField(_("built up to"), max_length=310, blank=True, default="")
    task_id = models.CharField(_("task id"), max_length=255, blank=True, default="")
    records_done = models.PositiveBigIntegerField(_("records read"), default=0)
    records_total = models.PositiveBigIntegerField(_("records in all"), default=0)
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    activated_at = models.DateTimeField(_("active since"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    compacted_at = models.DateTimeField(_("compacted at"), null=True, blank=True)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    unindexed_rows = models.PositiveBigIntegerField(_("rows outside of its indexes"), default=0)
    bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)
    writes = models.PositiveBigIntegerField(_("writes"), default=0, db_default=0)

    objects = SearchIndexQuerySet.as_manager()

    class Meta:
        db_table = "neural_searchindex"
        verbose_name = _("search index")
        verbose_name_plural = _("search indexes")
        constraints = (
            models.UniqueConstraint(
                "collection",
                condition=Q(state=IndexState.ACTIVE),
                name="neural_search_index_one_active",
            ),
            models.UniqueConstraint(
                "collection",
                condition=Q(state=IndexState.BUILDING),
                name="neural_search_index_one_building",
            ),
            models.CheckConstraint(
                condition=Q(state__in=IndexState.values), name="neural_search_index_known_state"
            ),
        )
        permissions = (("rebuild_searchindex", "Can rebuild search indexes"),)

    def __str__(self) -> str:
        return f"{self.collection} #{self.pk}"

    @property
    def left_out(self) -> int:
        """About how many records it lacks because they are older than it: it was not built from
        the database, but made when the first change came."""
        is_active = self.state == IndexState.ACTIVE
        return max(0, self.records_total - self.records_done) if is_active else 0

    def advance(self, *, cursor: str, done: int) -> bool:
        """Say how far the building has come, unless another slice was faster."""
        return self._change(
            IndexState.BUILDING,
            was_at=self.cursor,
            cursor=cursor,
            records_done=self.records_done + done,
        )

    def activate(self) -> bool:
        """Let this index be searched from now on; the one before it is replaced."""
        with transaction.atomic():
            # First, as only one may be active; undone if this one is no longer being built.
            rivals = type(self).objects.active().filter(collection=self.collection)
            rivals.exclude(pk=self.pk).update(state=IndexState.RETIRED, ended_at=Now())
            changed = self._change(
                IndexState.BUILDING,
                state=IndexState.ACTIVE,
                activated_at=Now(),
                records_total=self.records_done,
            )
            transaction.set_rollback(not changed)
        return changed

    def lacks(self, records: int) -> None:
        """Say about how many records it lacks, as they are older than it."""
        self._change(IndexState.ACTIVE, records_total=self.records_done + records)

    def cancel(self) -> bool:
        """Give up building it."""
        return self._change(IndexState.BUILDING, state=IndexState.CANCELLED, ended_at=Now())

    def hand_to(self, task_id: str) -> None:
        """Say which run builds it."""
        self._change(IndexState.BUILDING, task_id=task_id)

    def note_size(self, *, rows: int, unindexed_rows: int, size: int, compacted: bool) -> None:
        """Keep what the vector store said of the table's size."""
        facts: dict[str, Any] = {"rows": rows, "unindexed_rows": unindexed_rows, "bytes": size}
        if compacted:
            facts["compacted_at"] = Now()
        type(self).objects.filter(pk=self.pk).update(**facts)

    def count_write(self) -> int:
        """One more write of its table; returns how many there are now."""
        own = type(self).objects.using(router.db_for_write(type(self))).filter(pk=self.pk)
        with transaction.atomic(using=own.db):
            own.update(writes=F("writes") + 1)
            return own.values_list("writes", flat=True).first() or 0

    def counted_writes(self) -> int:
        """How many there are now, as the database says that is written to: no replica's."""
        own = type(self).objects.using(router.db_for_write(type(self)))
        return own.filter(pk=self.pk).values_list("writes", flat=True).first() or 0

    def _change(self, allowed: IndexState, *, was_at: str | None = None, **changes: Any) -> bool:
        rows = type(self).objects.filter(pk=self.pk, state=allowed)
        if was_at is not None:
            rows = rows.filter(cursor=was_at)
        changed = rows.update(**changes)
        if changed:
            self.refresh_from_db(fields=list(changes))
        return bool(changed)


class Search(SearchIndex):
    """The search page as the admin knows it: a name in the list of pages, and a permission. Nothing
    of its own is kept: whoever may view it may search."""

    class Meta:
        proxy = True
        verbose_name = _("search")
        verbose_name_plural = _("search")
        default_permissions = ("view",)
