"""Demand summaries: how much of a dish a store sold in a day or week, and whether that was
unusual."""

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store, StoreScopedQuerySet
from neural.restaurant.models.amounts import total_field

BEST_SELLER_PLACES = 3
"""A dish is a best seller if it is among the first three of its store."""


class Period(models.TextChoices):
    DAY = "day", _("day")
    WEEK = "week", _("week")


class DemandSummaryQuerySet(StoreScopedQuerySet):
    def days(self) -> Self:
        return self.filter(period=Period.DAY)

    def weeks(self) -> Self:
        return self.filter(period=Period.WEEK)

    def unusual(self) -> Self:
        return self.filter(unusual=True)

    def best_sellers(self) -> Self:
        """The first dishes of each store and period."""
        return self.filter(rank__lte=BEST_SELLER_PLACES)

    def between(self, first: dt.date, until: dt.date) -> Self:
        """Periods that begin on ``first`` or later, and before ``until``."""
        return self.filter(starts_on__gte=first, starts_on__lt=until)


class DemandSummary(models.Model):
    """What a store sold of one dish in one day or week (from Monday).

    It is computed from daily demand (``restaurant.analysis``), never counted up. A day on which the
    store sold nothing, or that is unknown, has no row.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="summaries", db_index=False
    )
    period = models.CharField(_("period"), max_length=4, choices=Period.choices)
    starts_on = models.DateField(_("begins on"))
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    quantity = total_field(_("quantity"))
    revenue = total_field(
        _("revenue"),
        null=True,
        blank=True,
        help_text=_("Empty unless it is known for every day of the period."),
    )
    days = models.PositiveSmallIntegerField(_("days with sales"))
    rank = models.PositiveIntegerField(
        _("place"), help_text=_("1 is the dish of which the store sold most.")
    )

    previous_quantity = total_field(_("quantity a week before"), null=True, blank=True)
    change = models.FloatField(
        _("change"),
        null=True,
        blank=True,
        help_text=_("On the same days of the week before that are known in both weeks."),
    )
    days_compared = models.PositiveSmallIntegerField(_("days compared"))

    usual_quantity = total_field(_("usual quantity"), null=True, blank=True)
    score = models.FloatField(_("deviation"), null=True, blank=True)
    unusual = models.BooleanField(_("unusual"), default=False)

    objects = DemandSummaryQuerySet.as_manager()

    class Meta:
        db_table = "neural_demandsummary"
        verbose_name = _("demand summary")
        verbose_name_plural = _("demand summaries")
        constraints = (
            # Its index also finds a store's summaries, to recompute them and to show its weeks.
            models.UniqueConstraint(
                fields=("store", "period", "starts_on", "dish"), name="neural_summary_identity"
            ),
            models.CheckConstraint(
                condition=Q(period__in=Period.values), name="neural_summary_known_period"
            ),
            models.CheckConstraint(
                condition=Q(rank__gte=1, days__range=(1, 7)) & Q(days_compared__lte=7),
                name="neural_summary_counts_in_range",
            ),
            models.CheckConstraint(
                condition=Q(unusual=False)
                | Q(period=Period.DAY, score__isnull=False, usual_quantity__isnull=False),
                name="neural_summary_unusual_has_a_reason",
            ),
        )
        indexes = (
            # For the admin's list of all stores, which pages by these columns: newest first, and
            # within a day unusual and best-selling dishes first.
            models.Index(
                fields=["period", "-starts_on", "-unusual", "rank", "id"],
                name="neural_summary_in_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.starts_on} {self.name or self.dish}"
