"""The model for one store's part in a round."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.forecasting.models.round import TrainingRound
from neural.kit.exact_json import ExactJSONField
from neural.models.store import Store, StoreScopedQuerySet


class UpdateState(models.TextChoices):
    """The state of a store's part in a round."""

    INVITED = "invited", _("invited")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    FAILED = "failed", _("failed")
    LATE = "late", _("late")
    LEFT_OUT = "left_out", _("left out")


TAKING_PART = (UpdateState.INVITED, UpdateState.ACCEPTED)

UPDATE_REASONS = {
    "wrong_keys": _("it has other keys than the question asks for"),
    "wrong_shape": _("an array has a wrong shape"),
    "wrong_type": _("a value has a wrong type"),
    "not_finite": _("it contains NaN or infinity"),
    "wrong_version": _("it was trained from another version"),
    "wrong_exchange": _("it answers another question than the one that is out"),
    "too_large": _("it is too large"),
    "too_many_examples": _("it claims more examples than a store can have"),
    "not_json": _("it cannot be written as JSON"),
    "norm": _("the update is too long"),
    "outlier": _("its sums are far from those of the other stores"),
    "no_history": _("it has not enough history"),
    "error": _("its part of the training ended in an error"),
    "too_slow": _("its part of the training took too long"),
    "no_answer": _("no answer came in time"),
}
"""The reasons for which a store's part was not used, by code."""


class StoreUpdateQuerySet(StoreScopedQuerySet):
    """Queries of stores' parts in rounds."""

    def taking_part(self) -> Self:
        """Stores whose answers count."""
        return self.filter(state__in=TAKING_PART)


class StoreUpdate(models.Model):
    """One store's part in one round: figures about its answers, and whether they were used."""

    round = models.ForeignKey(
        TrainingRound,
        models.CASCADE,
        verbose_name=_("round"),
        related_name="updates",
        db_index=False,
    )
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        verbose_name=_("store"),
        related_name="updates",
        db_index=False,
    )
    state = models.CharField(
        _("state"), max_length=10, choices=UpdateState.choices, default=UpdateState.INVITED
    )
    reason = models.CharField(_("reason"), max_length=50, blank=True, default="")
    detail = models.CharField(_("detail"), max_length=200, blank=True, default="")
    exchange = models.PositiveIntegerField(_("exchange answered last"), default=0)
    examples = models.BigIntegerField(_("examples"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    figures = ExactJSONField(_("figures"), default=dict, blank=True)

    # Workers of the release before read and write these columns; they go with the next one.
    payload = ExactJSONField(null=True, editable=False)
    update_norm = models.FloatField(null=True, editable=False)
    bytes_sent = models.BigIntegerField(default=0, editable=False)
    seconds = models.FloatField(default=0, editable=False)

    objects = StoreUpdateQuerySet.as_manager()

    class Meta:
        db_table = "neural_storeupdate"
        verbose_name = _("store's update")
        verbose_name_plural = _("stores' updates")
        constraints = (
            # This is also the index of a round's stores.
            models.UniqueConstraint(fields=("round", "store"), name="neural_update_identity"),
            models.CheckConstraint(
                condition=Q(state__in=UpdateState.values), name="neural_update_known_state"
            ),
            models.CheckConstraint(
                condition=Q(state__in=TAKING_PART) | ~Q(reason=""),
                name="neural_update_unused_has_reason",
            ),
        )
        indexes = (
            # For the admin: one store's rounds, newest first.
            models.Index(fields=["store", "-id"], name="neural_update_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.get_state_display()}"

    @property
    def explanation(self) -> str:
        """Why the store's part was not used, for people; empty if it was."""
        return str(UPDATE_REASONS.get(self.reason, self.reason))
