"""Gaps: rows of a search index that lack their vectors.

A process that lacks the index's model writes them so. They are found by their words until a process
that has the model writes them again.
"""

from collections.abc import Collection
from typing import Self

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from neural.retrieval.models.search_index import IndexState, SearchIndex


class IndexGapQuerySet(models.QuerySet):
    def of_ended(self) -> Self:
        """Gaps of indexes that are no longer written, which are obsolete."""
        return self.exclude(index__state__in=(IndexState.ACTIVE, IndexState.BUILDING))

    def note(self, index: SearchIndex, keys: Collection[str], *, version: int) -> None:
        """Record that these records, read at ``version``, have no vectors in the index.

        A gap is added and never changed, like an outbox entry, so a process that fills an older gap
        leaves the newer one.
        """
        with transaction.atomic():
            self.filter(index=index, key__in=keys, version__lt=version).delete()
            self.bulk_create(self.model(index=index, key=key, version=version) for key in keys)

    def filled(self, index: SearchIndex, keys: Collection[str], *, version: int) -> None:
        """Delete the gaps of records that were read at ``version`` and written with vectors. Gaps
        that were noted for a later version stay."""
        self.filter(index=index, key__in=keys, version__lte=version).delete()


class IndexGap(models.Model):
    """One row of an index that has no vectors and is found by its words alone."""

    index = models.ForeignKey(
        SearchIndex,
        verbose_name=_("search index"),
        on_delete=models.CASCADE,
        db_index=False,
        related_name="gaps",
    )
    key = models.CharField(_("record"), max_length=300)
    version = models.BigIntegerField(_("read at"))

    objects = IndexGapQuerySet.as_manager()

    class Meta:
        db_table = "neural_indexgap"
        verbose_name = _("record without vectors")
        verbose_name_plural = _("records without vectors")
        indexes = (models.Index(fields=["index", "key"], name="neural_index_gap_record"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.index_id} {self.key}"
