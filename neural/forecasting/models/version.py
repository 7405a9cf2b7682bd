"""The models for versions of a trained model, which never change, for the one in force, and for
forecasts, which are kept so that hits and misses can be shown."""

import datetime as dt
import hashlib
import json
import logging
from typing import Any, NoReturn, Self

from django.db import IntegrityError, models, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.forecasting.core.model_types import label_of
from neural.forecasting.models.round import TrainingRound
from neural.kit.errors import PermanentError
from neural.kit.exact_json import ExactJSONField, exact_json
from neural.models.store import Store, StoreScopedQuerySet
from neural.runs.models.run_log import pairs

logger = logging.getLogger("neural.forecasting")


class VersionImmutable(PermanentError):
    """A model version cannot be changed or deleted."""


class VersionContentChanged(PermanentError):
    """A version's content was changed in the database: its SHA-256 differs from the kept one."""


class Standing(models.TextChoices):
    """What was decided about a model version."""

    CANDIDATE = "candidate", _("candidate")
    PUBLISHED = "published", _("published")
    REJECTED = "rejected", _("rejected")


CHANGEABLE = {"standing", "published_at"}


def sum_of(text: str) -> str:
    """The SHA-256 of a version's content, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Queries of model versions, which refuse to change or delete a version's content."""

    def of(self, model_type: str) -> Self:
        return self.filter(model_type=model_type)

    def update(self, **changes: Any) -> int:
        if others := set(changes) - CHANGEABLE:
            raise VersionImmutable(f"a model version keeps its {', '.join(sorted(others))}")
        return super().update(**changes)

    def delete(self) -> NoReturn:
        raise VersionImmutable("model versions are never deleted")

    def add(self, *, model_type: str, content: Any, **fields: Any) -> "ModelVersion":
        """Create a version with the type's next number. Call this within a transaction, after the
        round's compare-and-set, so that a round cannot have two versions."""
        text = exact_json(content)
        last = self.of(model_type).aggregate(last=Max("number"))["last"] or 0
        return self.create(
            model_type=model_type, number=last + 1, content=text, sha256=sum_of(text), **fields
        )


class ModelVersion(models.Model):
    """A trained model, written once. Only its standing (published, rejected) may change."""

    model_type = models.CharField(_("model type"), max_length=100)
    number = models.PositiveIntegerField(_("number"))
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("trained from"),
        related_name="children",
        null=True,
        blank=True,
        db_index=False,
    )
    round = models.OneToOneField(
        TrainingRound,
        models.PROTECT,
        verbose_name=_("round"),
        related_name="version",
        null=True,
        blank=True,
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    schema_hash = models.CharField(_("hash of the features"), max_length=64, blank=True, default="")
    content = models.TextField(_("content"), editable=False)
    metrics = ExactJSONField(_("figures"), default=dict)
    standing = models.CharField(
        _("standing"), max_length=10, choices=Standing.choices, default=Standing.CANDIDATE
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        db_table = "neural_modelversion"
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ("-id",)
        constraints = (
            # This is also the index of a type's versions.
            models.UniqueConstraint(fields=("model_type", "number"), name="neural_version_number"),
            models.CheckConstraint(
                condition=Q(standing__in=Standing.values), name="neural_version_known_standing"
            ),
            models.CheckConstraint(
                condition=~Q(standing=Standing.PUBLISHED) | Q(published_at__isnull=False),
                name="neural_version_published_has_time",
            ),
        )
        permissions = (
            ("publish_modelversion", "Can publish model versions"),
            ("reject_modelversion", "Can reject model versions"),
            ("roll_back_modelversion", "Can roll back to an earlier model version"),
        )

    def __str__(self) -> str:
        return f"{label_of(self.model_type)} {self.number}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise VersionImmutable(f"model version {self} cannot be changed")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise VersionImmutable(f"model version {self} cannot be deleted")

    def load(self) -> Any:
        """The content of the model. Raises :class:`VersionContentChanged` if it was changed."""
        if sum_of(self.content) != self.sha256:
            raise VersionContentChanged(
                f"the content of model version {self} was changed: its SHA-256 is "
                f"{sum_of(self.content)}, {self.sha256} was kept"
            )
        return json.loads(self.content)

    def reject(self) -> bool:
        """Reject a candidate, so that it is not published. Returns False if it was no candidate."""
        candidates = type(self).objects.filter(pk=self.pk, standing=Standing.CANDIDATE)
        if not candidates.update(standing=Standing.REJECTED):
            return False
        self.standing = Standing.REJECTED
        _log("rejected", self)
        return True

    def publish(self, *, by: str = "") -> bool:
        """Put this version in force. Returns False if it is in force already, or if the version in
        force changed at the same moment."""
        active = ActiveModel.objects.version_of(self.model_type)
        if active == self:
            return False
        return ActiveModel.objects.publish(self, instead_of=active, by=by)


def _log(what: str, version: ModelVersion, by: str = "") -> None:
    facts = {"model_type": version.model_type, "version": version.number}
    logger.info("event=version_%s %s", what, pairs(facts | ({"by": by} if by else {})))


class ActiveModelManager(models.Manager["ActiveModel"]):
    def version_of(self, model_type: str) -> ModelVersion | None:
        """The version in force of a model type; None if there is none."""
        found = self.filter(model_type=model_type).select_related("version").first()
        return found.version if found else None

    def publish(
        self, version: ModelVersion, *, instead_of: ModelVersion | None, by: str = ""
    ) -> bool:
        """Put a version in force if ``instead_of`` still is in force (None: if no version is).
        Returns whether it did."""
        with transaction.atomic():
            if not self._point(version, instead_of, by):
                return False
            versions = ModelVersion.objects.filter(pk=version.pk)
            versions.update(standing=Standing.PUBLISHED, published_at=Now())
            version.refresh_from_db(fields=["standing", "published_at"])
            transaction.on_commit(lambda: _log("published", version, by), robust=True)
        return True

    def _point(self, version: ModelVersion, instead_of: ModelVersion | None, by: str) -> bool:
        changes = {"version": version, "changed_by": by[:150]}
        if instead_of is not None:
            mine = self.filter(model_type=version.model_type, version=instead_of)
            return bool(mine.update(changed_at=Now(), **changes))
        try:
            with transaction.atomic():
                self.create(model_type=version.model_type, **changes)
        except IntegrityError:
            return False
        return True


class ActiveModel(models.Model):
    """The pointer to the version of a model type that is in force."""

    model_type = models.CharField(_("model type"), max_length=100, unique=True)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, verbose_name=_("version"), related_name="+", db_index=False
    )
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True, default="")

    objects = ActiveModelManager()

    class Meta:
        db_table = "neural_activemodel"
        verbose_name = _("active model")
        verbose_name_plural = _("active models")
        ordering = ("model_type",)

    def __str__(self) -> str:
        return f"{self.model_type}: {self.version.number}"

    def roll_back(self, *, by: str = "") -> bool:
        """Put the version in force from which the active one was trained. Returns False if there is
        none, or if the active version changed meanwhile."""
        parent = self.version.parent
        if parent is None:
            return False
        rows = type(self).objects.filter(pk=self.pk, version=self.version)
        if not rows.update(version=parent, changed_at=Now(), changed_by=by[:150]):
            return False
        self.refresh_from_db()
        _log("rolled_back_to", parent, by)
        return True

    def retire(self, *, by: str = "") -> bool:
        """Put no version in force, so that the simple rules forecast until one is published.
        Returns False if the active version changed meanwhile."""
        if not type(self).objects.filter(pk=self.pk, version=self.version).delete()[0]:
            return False
        _log("retired", self.version, by)
        return True


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
