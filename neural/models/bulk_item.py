"""What became of each run of a bulk action."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.models.bulk_action import BulkAction


class BulkOutcome(models.TextChoices):
    """What became of one run."""

    CHANGED = "changed", pgettext_lazy("bulk action", "changed")
    UNFIT = "unfit", pgettext_lazy("bulk action", "left as it was")
    FAILED = "failed", pgettext_lazy("bulk action", "failed")


class BulkActionItem(models.Model):
    """The outcome of a bulk action for one run. No constraint: the run may be pruned."""

    action = models.ForeignKey(BulkAction, models.CASCADE, related_name="items", db_index=False)
    run_id = models.BigIntegerField()
    outcome = models.CharField(_("outcome"), max_length=10, choices=BulkOutcome.choices)
    before = models.CharField(_("state before"), max_length=10, blank=True, default="")
    detail = models.CharField(_("details"), max_length=500, blank=True, default="")
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("outcome of a bulk action")
        verbose_name_plural = _("outcomes of bulk actions")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["action", "run_id"], name="neural_bulk_run_once"),
        )
        indexes = (
            models.Index(fields=["run_id"], name="neural_bulk_item_run"),
            # The page of an action: the runs that it did not change.
            models.Index(
                fields=["action", "outcome", "run_id"],
                condition=~Q(outcome="changed"),
                name="neural_bulk_item_unchanged",
            ),
        )

    def __str__(self) -> str:
        return f"{self.action_id}: run {self.run_id} {self.outcome}"
