"""Daily demand, which is how much of each dish a store sold on a day, and reports of sales."""

from typing import Any

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
