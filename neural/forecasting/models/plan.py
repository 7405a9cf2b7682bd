"""The model for training plans: how a model type is trained. People edit plans in the admin."""

import math
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.forecasting.core.model_types import label_of
from neural.forecasting.core.protocol import TrainingConfig
from neural.models.store import Store

DEFAULT_MODEL_TYPE = "demand_forecast"


class Publishing(models.TextChoices):
    """Whether a better version is published at once or by a person."""

    AUTOMATIC = "automatic", _("at once, when it is better")
    BY_A_PERSON = "by_a_person", _("when a person says so")


def _between(low: float, high: float) -> dict[str, Any]:
    return {"validators": [MinValueValidator(low), MaxValueValidator(high)]}


class TrainingPlan(models.Model):
    """How the models of one type are trained: by which stores, how long, with which settings.

    A round keeps a copy of the settings that it was opened with, so changes apply from the next
    round on.
    """

    model_type = models.CharField(_("model type"), max_length=100, unique=True)
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Otherwise no new round is opened.")
    )

    least_stores = models.PositiveIntegerField(
        _("quorum"),
        default=2,
        help_text=_("A round with fewer good answers fails, and the old model stays."),
        **_between(1, 1_000_000),
    )
    least_share = models.FloatField(
        _("quorum as a share of the invited"), default=0.5, **_between(0, 1)
    )
    deadline_seconds = models.PositiveIntegerField(
        _("seconds for a round"), default=3600, **_between(1, 7 * 86_400)
    )
    participants = models.ManyToManyField(
        Store,
        verbose_name=_("participants"),
        related_name="+",
        blank=True,
        help_text=_("Empty: every store with enough history."),
    )
    publishing = models.CharField(
        _("publishing"),
        max_length=20,
        choices=Publishing.choices,
        default=Publishing.AUTOMATIC,
    )

    history_days = models.PositiveIntegerField(
        _("days of history"), default=365, **_between(28, 3660)
    )
    held_out_days = models.PositiveIntegerField(
        _("days kept for judging"), default=14, **_between(1, 90)
    )
    dishes_per_store = models.PositiveIntegerField(
        _("dishes a store"),
        default=50,
        help_text=_("Those of which a store sells most."),
        **_between(1, 1000),
    )
    trees = models.PositiveIntegerField(
        _("trees"), default=128, help_text=_("0: the linear model alone."), **_between(0, 2000)
    )
    # Options that are gone: workers of the release before read them, so they go with the next one.
    exchange_seconds = models.PositiveIntegerField(default=120, editable=False)
    stores_per_run = models.PositiveIntegerField(default=25, editable=False)
    strategy = models.CharField(max_length=20, default="fedprox", editable=False)
    trim_share = models.FloatField(default=0.1, editable=False)
    noise_multiplier = models.FloatField(default=0.0, editable=False)
    epsilon_budget = models.FloatField(default=8.0, editable=False)
    delta = models.FloatField(default=1e-5, editable=False)
    fit_exchanges = models.PositiveIntegerField(default=10, editable=False)
    refit_exchanges = models.PositiveIntegerField(default=3, editable=False)
    proximal = models.FloatField(default=0.5, editable=False)
    ridge = models.FloatField(default=0.01, editable=False)
    clipping_norm = models.FloatField(default=1.0, editable=False)
    max_examples = models.PositiveIntegerField(default=100_000, editable=False)
    trees_together = models.PositiveSmallIntegerField(default=8, editable=False)
    tree_depth = models.PositiveSmallIntegerField(default=5, editable=False)
    learning_rate = models.FloatField(default=0.3, editable=False)
    bins = models.PositiveSmallIntegerField(default=16, editable=False)
    seed = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        db_table = "neural_trainingplan"
        verbose_name = _("training plan")
        verbose_name_plural = _("training plans")
        ordering = ("model_type",)
        constraints = (
            models.CheckConstraint(
                condition=Q(publishing__in=Publishing.values), name="neural_plan_known_publishing"
            ),
            models.CheckConstraint(
                condition=Q(least_stores__gte=1, least_share__gte=0, least_share__lte=1),
                name="neural_plan_quorum_in_range",
            ),
            models.CheckConstraint(
                condition=Q(exchange_seconds__gte=1, deadline_seconds__gte=1)
                & Q(stores_per_run__gte=1, dishes_per_store__gte=1),
                name="neural_plan_bounds_positive",
            ),
        )

    def __str__(self) -> str:
        return label_of(self.model_type)

    def config(self) -> TrainingConfig:
        """The training settings for a new round; what no plan sets is as it was measured."""
        return TrainingConfig(
            least_stores=self.least_stores,
            history_days=self.history_days,
            held_out_days=self.held_out_days,
            trees=self.trees,
        )

    def quorum_of(self, invited: int) -> int:
        """How many of the ``invited`` stores must give good answers."""
        return max(self.least_stores, math.ceil(self.least_share * invited))
