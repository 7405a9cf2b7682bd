"""The privacy ledger: what each noisy release has spent, written before it is released."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.forecasting.models.round import TrainingRound


class PrivacySpend(models.Model):
    """One release with noise. A row without a release (killed in between) counts as spent."""

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
            # Also the index of a round's releases.
            models.UniqueConstraint(fields=("round", "exchange"), name="neural_spend_identity"),
            models.CheckConstraint(
                condition=Q(noise_multiplier__gt=0, epsilon__gte=0), name="neural_spend_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.round_id}/{self.exchange} ε={self.epsilon:.2f}"
