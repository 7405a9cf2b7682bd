"""The models for rounds of training. A round is a state machine; each change is a compare-and-set.

A round is a series of exchanges. Its next step follows from the database alone: the server state
(the model under construction), the current question, and stores' sales. Any process may go on with
a round; only one succeeds.
"""

import datetime as dt
import logging
from functools import partial
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.forecasting.core.model_types import label_of
from neural.forecasting.models.plan import TrainingPlan
from neural.kit.errors import PermanentError
from neural.kit.exact_json import ExactJSONField
from neural.runs.models.run_log import pairs

logger = logging.getLogger("neural.forecasting")


class RoundState(models.TextChoices):
    """The state of a training round."""

    PLANNED = "planned", _("planned")
    SELECTING = "selecting", _("choosing stores")
    COLLECTING = "collecting", _("collecting answers")
    AGGREGATING = "aggregating", _("adding up")
    EVALUATING = "evaluating", _("judging")
    PUBLISHED = "published", _("published")
    REJECTED = "rejected", _("rejected")
    FAILED_QUORUM = "failed_quorum", _("failed: too few stores")
    FAILED_ERROR = "failed_error", _("failed: error")
    CANCELLED = "cancelled", _("cancelled")


CLOSED_STATES = (
    RoundState.PUBLISHED,
    RoundState.REJECTED,
    RoundState.FAILED_QUORUM,
    RoundState.FAILED_ERROR,
    RoundState.CANCELLED,
)
OPEN_STATES = tuple(state for state in RoundState if state not in CLOSED_STATES)
FAILED_STATES = (RoundState.FAILED_QUORUM, RoundState.FAILED_ERROR)
ASKING_STATES = (RoundState.COLLECTING, RoundState.EVALUATING)
"""The states in which a question is open and answers are accepted."""

ROUND_REASONS = {
    "better": _("better than the version in force before and the simple rules"),
    "candidate": _("better; it waits for a person to publish it"),
    "no_better": _("no better than the version in force or a simple rule"),
    "not_judged": _("no store could judge it"),
    "overtaken": _("meanwhile another version was put in force"),
    "quorum": _("too few stores gave a usable answer"),
    "no_stores": _("too few stores have sold enough lately"),
    "deadline": _("the round took too long"),
    "program": _("the program refused or failed"),
    "by_a_person": _("cancelled by a person"),
    "run_ended": _("the run that trains it was cancelled, or is dead"),
    "other_software": _("software of another version had opened it; the schedule opens the next"),
}
"""The reasons for which rounds end, by code."""


class TrainingFailed(PermanentError):
    """A round of training ended without a model: too few stores answered, or an error."""


class TrainingRoundQuerySet(models.QuerySet):
    """Queries of training rounds."""

    def open(self) -> Self:
        """Rounds that have not ended."""
        return self.filter(state__in=OPEN_STATES)

    def closed(self) -> Self:
        """Rounds that have ended."""
        return self.filter(state__in=CLOSED_STATES)


class TrainingRound(models.Model):
    """One round of training a model type across stores."""

    plan = models.ForeignKey(
        TrainingPlan, models.PROTECT, verbose_name=_("plan"), related_name="rounds", db_index=False
    )
    model_type = models.CharField(_("model type"), max_length=100)
    state = models.CharField(
        _("state"), max_length=15, choices=RoundState.choices, default=RoundState.PLANNED
    )
    exchange = models.PositiveIntegerField(
        _("exchange"), default=0, help_text=_("Which question of the round is out, from 1.")
    )
    exchanges_expected = models.PositiveIntegerField(_("exchanges expected"), default=0)
    config = ExactJSONField(_("numbers"), default=dict)
    server_state = ExactJSONField(_("server state"), default=dict, db_column="draft")
    question = ExactJSONField(_("question"), null=True, blank=True)
    base_version = models.ForeignKey(
        "ModelVersion",
        models.PROTECT,
        verbose_name=_("starts from"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    invited = models.PositiveIntegerField(_("stores invited"), default=0)
    taking_part = models.PositiveIntegerField(
        _("stores taking part"), default=0, help_text=_("Those whose answers still count.")
    )
    quorum = models.PositiveIntegerField(_("quorum"), default=1)
    dishes_per_store = models.PositiveIntegerField(_("dishes a store"), default=50)

    opened_at = models.DateTimeField(_("opened at"))
    exchange_opened_at = models.DateTimeField(_("exchange opened at"), null=True, blank=True)
    exchange_closes_at = models.DateTimeField(_("exchange closes at"), null=True, blank=True)
    closes_at = models.DateTimeField(_("closes at"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=50, blank=True, default="")
    detail = models.CharField(_("detail"), max_length=500, blank=True, default="")

    # Workers of the release before read and write these columns; they go with the next one.
    seed = models.BigIntegerField(default=0, editable=False)
    exchange_seconds = models.PositiveIntegerField(default=120, editable=False)
    stores_per_run = models.PositiveIntegerField(default=25, editable=False)
    asked_again = models.PositiveIntegerField(default=0, editable=False)

    objects = TrainingRoundQuerySet.as_manager()

    class Meta:
        db_table = "neural_traininground"
        verbose_name = _("training round")
        verbose_name_plural = _("training rounds")
        ordering = ("-id",)
        constraints = (
            # This is also the index by which the open round of a type is found.
            models.UniqueConstraint(
                fields=("model_type",),
                condition=Q(state__in=OPEN_STATES),
                name="neural_round_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RoundState.values), name="neural_round_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=CLOSED_STATES) | Q(closed_at__isnull=False),
                name="neural_round_closed_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=ASKING_STATES)
                | Q(question__isnull=False, exchange_closes_at__isnull=False),
                name="neural_round_asking_has_question",
            ),
        )
        indexes = (
            # For the admin: the rounds of a type, newest first.
            models.Index(fields=["model_type", "-id"], name="neural_round_by_type"),
        )
        permissions = (
            ("run_traininground", "Can open training rounds"),
            ("cancel_traininground", "Can cancel training rounds"),
        )

    def __str__(self) -> str:
        return f"{label_of(self.model_type)} #{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def asks(self) -> bool:
        """Whether a question is open and answers are accepted."""
        return self.state in ASKING_STATES

    @property
    def explanation(self) -> str:
        """The reason of the round's end, for people."""
        if self.reason == "better" and self.base_version_id is None:
            return str(_("better than the simple rules; no version was in force before"))
        return str(ROUND_REASONS.get(self.reason, self.reason))

    def raise_if_failed(self) -> None:
        """Raise :class:`TrainingFailed` if the round ended without a model: who asked for the
        training would take any answer for a success. A round that a person cancelled is none."""
        if self.state in FAILED_STATES:
            message = f"round {self.pk} ended in {self.state}: {self.reason}"
            raise TrainingFailed(f"{message} ({self.detail})" if self.detail else message)

    # State changes. Each is a compare-and-set on the state and exchange that this object has, and
    # returns whether it happened. Callers that change more with it do so in one transaction.

    def select(self) -> bool:
        """Enter the state of choosing stores."""
        return self._become(RoundState.SELECTING, RoundState.PLANNED)

    def ask(
        self, *, server_state: Any, question: Any, judges: bool, taking_part: int, now: dt.datetime
    ) -> bool:
        """Ask the next question, and store the new server state with it."""
        return self._become(
            RoundState.EVALUATING if judges else RoundState.COLLECTING,
            (RoundState.SELECTING, *ASKING_STATES, RoundState.AGGREGATING),
            server_state=server_state,
            question=question,
            exchange=question["number"],
            taking_part=taking_part,
            exchange_opened_at=now,
            exchange_closes_at=self.closes_at,  # for workers of the release before
        )

    def cancel(self, *, now: dt.datetime) -> bool:
        """End the round without a version on a person's request, whatever its state. Returns False
        if it was closed already."""
        return self.give_up(RoundState.CANCELLED, "by_a_person", now=now)

    def give_up(self, state: RoundState, reason: str, *, now: dt.datetime) -> bool:
        """End the round without a version, whatever its state. Returns False if it was closed
        already."""
        rounds = type(self).objects
        while True:
            found = rounds.only("state", "exchange").get(pk=self.pk)
            if not found.is_open:
                return False
            self.state, self.exchange = found.state, found.exchange
            if self.close(state, reason, now=now):
                return True

    def close(self, state: RoundState, reason: str, detail: str = "", *, now: dt.datetime) -> bool:
        """End the round in one of :data:`CLOSED_STATES`. A rejected round has a version that is not
        put in force (with the reason ``candidate``: not yet), a failed one has none."""
        return self._become(
            state,
            OPEN_STATES,
            server_state={},  # the finished one is kept as the version's content
            question=None,
            exchange_closes_at=None,
            closed_at=now,
            reason=reason,
            detail=detail[:500],
        )

    def _become(
        self, state: RoundState, allowed: RoundState | tuple[RoundState, ...], **changes: Any
    ) -> bool:
        states = (allowed,) if isinstance(allowed, RoundState) else allowed
        was, exchange = self.state, self.exchange
        if was not in states:
            return False
        with transaction.atomic(savepoint=False):
            theirs = type(self).objects.filter(pk=self.pk, state=was, exchange=exchange)
            if not theirs.update(state=state, **changes):
                return False
            for name, value in {"state": state, **changes}.items():
                setattr(self, name, value)
            if state != was:  # hundreds of exchanges stay in one state
                RoundTransition.objects.create(
                    round_id=self.pk, from_state=was, to_state=state, exchange=self.exchange
                )
            log_round(self, was)
        return True


class RoundTransition(models.Model):
    """One change of a round's state, with its time."""

    round = models.ForeignKey(
        TrainingRound, models.CASCADE, verbose_name=_("round"), related_name="transitions"
    )
    from_state = models.CharField(_("from"), max_length=15, choices=RoundState.choices)
    to_state = models.CharField(_("to"), max_length=15, choices=RoundState.choices)
    exchange = models.PositiveIntegerField(_("exchange"))
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        db_table = "neural_roundtransition"
        verbose_name = _("transition of a round")
        verbose_name_plural = _("transitions of rounds")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


# Log lines. They have identifiers, states and counts, but never an answer, a row, or an error
# message that could contain one.


def log_round(of: "TrainingRound", was: str) -> None:
    """Log a round's new state on commit:
    ``event=round_published round=7 model_type=demand_forecast from=evaluating``"""
    facts: dict[str, Any] = {
        "round": of.pk,
        "model_type": of.model_type,
        "exchange": of.exchange,
        "from": was,
    }
    if of.reason:
        facts["reason"] = of.reason
    # A night has hundreds of exchanges, so their lines appear at debug level only.
    level = logging.DEBUG if of.is_open and of.exchange > 1 else logging.INFO
    log_change = partial(logger.log, level, "event=round_%s %s", str(of.state), pairs(facts))
    transaction.on_commit(log_change, robust=True)


def log_store(
    what: str, *, round_id: int, store: str, level: int = logging.INFO, **facts: Any
) -> None:
    """Log the outcome of one store's part: ``event=store_rejected round=7 store=S01 reason=…``"""
    logger.log(
        level, "event=store_%s %s", what, pairs({"round": round_id, "store": store, **facts})
    )
