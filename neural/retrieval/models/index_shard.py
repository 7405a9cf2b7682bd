"""Shards: how many indexing runs may work at the same time, and which run each shard has.

An entry belongs to the shard whose number is the entry's id modulo the number of shards. If two
runs had the same shard, they would do the same work twice but no harm.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

TROUBLE_LENGTH = 500


class IndexShardQuerySet(models.QuerySet):
    def troubled(self) -> Self:
        """Shards that are blocked until a person does something."""
        return self.exclude(trouble="")


class IndexShard(models.Model):
    """A shard of the index outbox, which one run at a time works on."""

    history = models.BooleanField(_("history"))
    number = models.PositiveSmallIntegerField(_("number"))
    task_id = models.CharField(
        _("task id"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("Of the run that was last asked for."),
    )
    trouble = models.CharField(
        _("trouble"), max_length=TROUBLE_LENGTH, blank=True, default="", db_default=""
    )

    objects = IndexShardQuerySet.as_manager()

    class Meta:
        db_table = "neural_indexlane"
        verbose_name = _("indexing shard")
        verbose_name_plural = _("indexing shards")
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
