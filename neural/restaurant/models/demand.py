"""Demand: reports of sales, how much of each dish a store sold on a day, and its summaries by
day and week."""

import datetime as dt
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import GeneratedField, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store, StoreScopedQuerySet
from neural.restaurant.models.amounts import DECIMAL_PLACES, TOTAL_DIGITS, total_field
from neural.restaurant.models.newest import NewestQuerySet, version_field


class SalesReport(models.Model):
    """A store's own report of a day's sales: the newest one.

    ``lines`` are kept as reported. ``context`` is what else the report says about the day, such as
    a promotion, the weather or a holiday.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="reports", db_index=False
    )
    day = models.DateField(_("business day"))
    lines = models.JSONField(_("lines"), default=list, encoder=DjangoJSONEncoder)
    context = models.JSONField(_("context"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    version = version_field()

    objects = NewestQuerySet.as_manager()

    class Meta:
        db_table = "neural_salesreport"
        verbose_name = _("sales report")
        verbose_name_plural = _("sales reports")
        constraints = (
            # Its index also finds the report of a day.
            models.UniqueConstraint(fields=("store", "day"), name="neural_report_identity"),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.day}"


def _reported_or_ordered(label: Any, reported: str, ordered: str) -> GeneratedField:
    return GeneratedField(
        expression=Coalesce(reported, ordered),
        output_field=models.DecimalField(max_digits=TOTAL_DIGITS, decimal_places=DECIMAL_PLACES),
        db_persist=True,
        verbose_name=label,
    )


class DailyDemand(models.Model):
    """What a store sold of one dish on one business day.

    It is recomputed from the day's report and orders (``restaurant.totals``), never counted up.
    Reported numbers take precedence over the sums of orders. A day without sales has no row: closed
    is not the same as zero.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="demand", db_index=False
    )
    day = models.DateField(_("business day"))
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    reported_quantity = total_field(_("reported quantity"), null=True, blank=True)
    ordered_quantity = total_field(_("ordered quantity"), null=True, blank=True)
    quantity = _reported_or_ordered(_("quantity"), "reported_quantity", "ordered_quantity")
    reported_revenue = total_field(_("reported revenue"), null=True, blank=True)
    ordered_revenue = total_field(_("ordered revenue"), null=True, blank=True)
    revenue = _reported_or_ordered(_("revenue"), "reported_revenue", "ordered_revenue")

    objects = StoreScopedQuerySet.as_manager()

    class Meta:
        db_table = "neural_dailydemand"
        verbose_name = _("daily demand")
        verbose_name_plural = _("daily demand")
        constraints = (
            # Its index also finds the rows of a day, and those on which a store trains.
            models.UniqueConstraint(fields=("store", "day", "dish"), name="neural_demand_identity"),
            models.CheckConstraint(
                condition=Q(reported_quantity__isnull=False) | Q(ordered_quantity__isnull=False),
                name="neural_demand_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(reported_quantity__gte=0) | Q(reported_quantity=None),
                name="neural_demand_reported_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.day} {self.dish}"


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
