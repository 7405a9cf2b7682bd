"""The model for the privacy ledger: the cost of each noisy release, written before the release."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.forecasting.models.round import TrainingRound


class PrivacySpend(models.Model):
    """The cost of one noisy release. It counts even if a kill prevented the release itself."""

    round = models.ForeignKey(
        TrainingRound,
        models.PROTECT,
        verbose_name=_("round"),
        related_name="spends",
        db_index=False,
    )
    exchange = models.PositiveIntegerField(_("exchange"))
    noise_multiplier = models.FloatField(_("noise multiplier (z)"))
    stores = models.PositiveIntegerField(
        _("stores"), help_text=_("The fixed denominator: how many were invited.")
    )
    epsilon = models.FloatField(_("ε afterwards"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        db_table = "neural_privacyspend"
        verbose_name = _("privacy spent")
        verbose_name_plural = _("privacy spent")
        ordering = ("id",)
        constraints = (
            # This is also the index of a round's releases.
            models.UniqueConstraint(fields=("round", "exchange"), name="neural_spend_identity"),
            models.CheckConstraint(
                condition=Q(noise_multiplier__gt=0, epsilon__gte=0), name="neural_spend_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.round_id}/{self.exchange} ε={self.epsilon:.2f}"
