"""Gaps: rows of a search index that lack their vectors, as a process wrote them that has not the
index's model.

They are found by their words until a process that has it writes them anew.
"""

from collections.abc import Collection
from typing import Self

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from neural.retrieval.models.search_index import IndexState, SearchIndex


class IndexGapQuerySet(models.QuerySet):
    def of_ended(self) -> Self:
        """Those of indexes that are not written any more: nobody needs them."""
        return self.exclude(index__state__in=(IndexState.ACTIVE, IndexState.BUILDING))

    def note(self, index: SearchIndex, keys: Collection[str], *, version: int) -> None:
        """Say that these records of an index, as they were read at ``version``, lack vectors.

        Added and never changed, like entries: who fills a gap meanwhile leaves the newer one.
        """
        with transaction.atomic():
            self.filter(index=index, key__in=keys, version__lt=version).delete()
            self.bulk_create(self.model(index=index, key=key, version=version) for key in keys)

    def filled(self, index: SearchIndex, keys: Collection[str], *, version: int) -> None:
        """Forget those whose record was read at ``version`` and written with its vectors; not
        those of whoever has read it since."""
        self.filter(index=index, key__in=keys, version__lte=version).delete()


class IndexGap(models.Model):
    """One row of an index that is found by its words alone."""

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
