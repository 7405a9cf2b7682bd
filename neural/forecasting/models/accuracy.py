"""How far a forecast was from what was sold, as one row for a store's day and horizon."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.kit.exact_json import ExactJSONField
from neural.models import Store
from neural.models.store import StoreScopedQuerySet


class ForecastAccuracy(models.Model):
    """The forecasts of a store's day that were made ``horizon`` days before, beside what was sold.

    The numbers are portions, summed over the dishes whose demand that day is known. ``error`` is
    the sum of the dishes' absolute differences; ``rule_error`` is that of the weekday mean, from
    the same sales as the forecast.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="+", db_index=False
    )
    day = models.DateField(_("business day"))
    horizon = models.PositiveSmallIntegerField(_("days ahead"))
    sold = models.FloatField(_("sold"))
    forecast = models.FloatField(_("forecast"))
    error = models.FloatField(pgettext_lazy("of a forecast", "error"))
    rule_error = models.FloatField(_("error of the rule"))
    dishes = ExactJSONField(_("dishes"), null=True, blank=True)
    """Of horizon 1: sold, forecast and the rule's forecast by dish. Else null."""
    measured_at = models.DateTimeField(_("measured at"), db_default=Now())

    objects = StoreScopedQuerySet.as_manager()

    class Meta:
        db_table = "neural_forecast_accuracy"
        verbose_name = _("forecast accuracy")
        verbose_name_plural = _("forecast accuracy")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("store", "day", "horizon"), name="neural_accuracy_identity"
            ),
        )
        indexes = (models.Index(fields=("horizon", "day"), name="neural_accuracy_day"),)

    def __str__(self) -> str:
        return f"{self.store_id} {self.day} ({self.horizon})"
