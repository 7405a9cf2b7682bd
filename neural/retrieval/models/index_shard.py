"""Shards: how many runs index at the same time, and which one works on each.

A shard takes the entries whose number leaves its own when it is divided by the number of shards.
Two runs of one shard would do no harm but the same work twice.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

TROUBLE_LENGTH = 500


class IndexShardQuerySet(models.QuerySet):
    def troubled(self) -> Self:
        """Those that cannot get on until a person does something."""
        return self.exclude(trouble="")


class IndexShard(models.Model):
    """One of the indexing runs that may be under way at the same time."""

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
        """Let another run work on this shard, unless somebody else was quicker to say so."""
        rows = type(self).objects.filter(pk=self.pk, task_id=self.task_id)
        return bool(rows.update(task_id=task_id))

    def note_trouble(self, trouble: str) -> bool:
        """Say why this shard waits, or that it does no longer (an empty text); whether that is
        news."""
        rows = type(self).objects.filter(pk=self.pk).exclude(trouble=trouble[:TROUBLE_LENGTH])
        return bool(rows.update(trouble=trouble[:TROUBLE_LENGTH]))
