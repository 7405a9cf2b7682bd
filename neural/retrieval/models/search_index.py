"""Search indexes: the table of the vector store in which a collection is searched.

Each index is one generation: created empty, filled, then searched until a newer one replaces it.
Each change of state is a verb: a conditional UPDATE that returns whether it happened.
"""

from typing import Any, Self

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class IndexState(models.TextChoices):
    BUILDING = "building", _("being built")
    ACTIVE = "active", _("active")
    RETIRED = "retired", _("replaced")
    CANCELLED = "cancelled", _("cancelled")


class SearchIndexQuerySet(models.QuerySet):
    def active(self) -> Self:
        """Indexes that are searched: at most one per collection."""
        return self.filter(state=IndexState.ACTIVE)

    def building(self) -> Self:
        """Indexes that are being built: at most one per collection."""
        return self.filter(state=IndexState.BUILDING)

    def written(self) -> Self:
        """Indexes that changes are written to: those that are searched and those being built."""
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
    compacted_at = models.DateTimeField(
        _("compacted at"), null=True, blank=True, db_column="tended_at"
    )
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    bytes = models.PositiveBigIntegerField(_("size in bytes"), default=0)

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
        """About how many older records the index lacks. An index that was made for the first
        change, and not built from the database, has only the records since."""
        is_active = self.state == IndexState.ACTIVE
        return max(0, self.records_total - self.records_done) if is_active else 0

    def advance(self, *, cursor: str, done: int) -> bool:
        """Record how far the building has come; False if another slice is further."""
        done += self.records_done
        return self._change(was_at=self.cursor, cursor=cursor, records_done=done)

    def activate(self) -> bool:
        """Make this the index that is searched, in place of the one before."""
        with transaction.atomic():
            # Retired first, because only one index may be active. Rolled back if this one is no
            # longer being built.
            rivals = type(self).objects.active().filter(collection=self.collection)
            rivals.exclude(pk=self.pk).update(state=IndexState.RETIRED, ended_at=Now())
            changed = self._change(
                state=IndexState.ACTIVE, activated_at=Now(), records_total=self.records_done
            )
            transaction.set_rollback(not changed)
        return changed

    def cancel(self) -> bool:
        """Stop building this index."""
        return self._change(state=IndexState.CANCELLED, ended_at=Now())

    def hand_to(self, task_id: str) -> None:
        """Record which run builds the index."""
        self._change(task_id=task_id)

    def note_size(self, **facts: Any) -> None:
        """Record the size of the index."""
        type(self).objects.filter(pk=self.pk).update(**facts)

    def _change(self, *, was_at: str | None = None, **changes: Any) -> bool:
        """Change the index if it is still being built, and up to the cursor ``was_at``."""
        rows = type(self).objects.building().filter(pk=self.pk)
        if was_at is not None:
            rows = rows.filter(cursor=was_at)
        changed = rows.update(**changes)
        if changed:
            self.refresh_from_db(fields=list(changes))
        return bool(changed)


class Search(SearchIndex):
    """The search page in the admin's list of models, and its permission. It keeps no rows of its
    own: whoever may view it may search."""

    class Meta:
        proxy = True
        verbose_name = _("search")
        verbose_name_plural = _("search")
        default_permissions = ("view",)
