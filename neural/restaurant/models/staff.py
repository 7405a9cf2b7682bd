"""Shifts: who works when, each as its newest event states it."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.newest import NewestQuerySet, version_field


class Shift(models.Model):
    """One person's shift at one store."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="shifts", db_index=False
    )
    code = models.CharField(_("shift"), max_length=100)
    staff_code = models.CharField(_("staff id"), max_length=100)
    staff_name = models.CharField(_("name"), max_length=200, blank=True, default="")
    role = models.CharField(_("role"), max_length=100, blank=True, default="")
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"))
    version = version_field()

    objects = NewestQuerySet.as_manager()

    class Meta:
        db_table = "neural_shift"
        verbose_name = _("shift")
        verbose_name_plural = _("shifts")
        constraints = (
            # The code comes first, so that the index also serves a search by code.
            models.UniqueConstraint(fields=("code", "store"), name="neural_shift_identity"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="neural_shift_ends_after_start"
            ),
        )
        indexes = (
            # For a store's roster of a day.
            models.Index(fields=("store", "starts_at"), name="neural_shift_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.staff_name or self.staff_code} {self.code}"
