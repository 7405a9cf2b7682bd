"""The model for forecasts, which are kept so that hits and misses can be shown."""

import datetime as dt

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.forecasting.models.version import ModelVersion
from neural.models.exact_json import ExactJSONField
from neural.models.store import Store, StoreScopedQuerySet

FORECAST_METHODS = {
    "blend": _("personal weights and trees"),
    "personal": _("the store's personal weights"),
    "global": _("the chain's common model at the store's own level: the store is new"),
    "local": _("the store's own model"),
    "weekday_mean": _("mean of the last four same weekdays"),
    "seasonal_naive": _("as on the last same weekday"),
}
"""The methods of forecasts, by code."""


class Forecast(models.Model):
    """The expected sales of one dish in one store on each of the days after ``made_on``.

    ``mean``, ``p10``, ``p50`` and ``p90`` are lists, in portions: the first number is for the
    day after ``made_on``. null stands for a day on which the store is closed.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="forecasts", db_index=False
    )
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    made_on = models.DateField(
        _("made after"), help_text=_("The last business day that was known.")
    )
    version = models.ForeignKey(
        ModelVersion,
        models.PROTECT,
        verbose_name=_("version"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        help_text=_("Empty: made by a simple rule, without a model."),
    )
    method = models.CharField(pgettext_lazy("of a forecast", "method"), max_length=30)
    mean = ExactJSONField(_("mean"))
    p10 = ExactJSONField(_("P10"))
    p50 = ExactJSONField(_("P50"))
    p90 = ExactJSONField(_("P90"))
    unconfirmed = ExactJSONField(
        _("unconfirmed days"),
        null=True,
        blank=True,
        help_text=_("They would move the forecast further, if a person confirmed them."),
    )
    """A list of (day, reported quantity, usual quantity); null: no day is held."""
    made_at = models.DateTimeField(_("made at"), db_default=Now())

    objects = StoreScopedQuerySet.as_manager()

    class Meta:
        db_table = "neural_forecast"
        verbose_name = _("forecast")
        verbose_name_plural = _("forecasts")
        permissions = (("confirm_forecast", "Can confirm days in doubt"),)
        constraints = (
            # This is also the index of a store's forecasts by day.
            models.UniqueConstraint(
                fields=("store", "made_on", "dish"), name="neural_forecast_identity"
            ),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.made_on} {self.name or self.dish}"

    @property
    def explanation(self) -> str:
        """How the forecast was made, for people."""
        return str(FORECAST_METHODS.get(self.method, self.method))

    def day(self, place: int) -> dt.date:
        """The day of the lists' number at this index (0: the day after ``made_on``)."""
        return self.made_on + dt.timedelta(days=place + 1)
