"""Webhooks that platforms call: the addresses, the platforms' codes of stores, and pushes that
could not be given to a store yet."""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.kit.encrypted import EncryptedJSONField
from neural.models import NeuralEvent, Store
from neural.models.store import StoreScopedQuerySet

SOURCE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,59}\Z"


class OfSource(StoreScopedQuerySet):
    """Rows of webhook sources. A user who is limited to some stores sees those of sources that
    belong to one of these stores as a whole."""

    store_field = "source__store"


class WebhookSource(models.Model):
    """An address ``/hooks/<name>`` that one platform calls, with the credentials of its account."""

    name = models.CharField(
        _("name"),
        max_length=60,
        unique=True,
        validators=[RegexValidator(SOURCE_PATTERN, _("Small letters, digits and hyphens."))],
        help_text=_("The last part of its address, and the source of its events."),
    )
    platform = models.CharField(_("platform"), max_length=60)
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        verbose_name=_("store"),
        related_name="webhook_sources",
        null=True,
        blank=True,
        help_text=_("If all its pushes belong to one store. Empty: see the platform's codes."),
    )
    credentials = EncryptedJSONField(_("credentials"), default=dict, blank=True)
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = StoreScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook source")
        verbose_name_plural = _("webhook sources")
        ordering = ("name",)
        permissions = (("reconcile_webhooksource", "Can fetch what a platform pushed in vain"),)

    def __str__(self) -> str:
        return self.name


class StoreCode(models.Model):
    """The code by which a platform knows one of our stores."""

    source = models.ForeignKey(
        WebhookSource, models.CASCADE, verbose_name=_("webhook source"), related_name="store_codes"
    )
    code = models.CharField(_("code"), max_length=100)
    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="webhook_codes"
    )
    since = models.DateField(
        _("first business day"), null=True, blank=True, help_text=_("If another store had it.")
    )
    """Of this store; what happened earlier with this code is the former one's."""
    former = models.ForeignKey(Store, models.PROTECT, related_name="+", null=True, editable=False)

    objects = OfSource.as_manager()

    class Meta:
        verbose_name = _("store code")
        verbose_name_plural = _("store codes")
        constraints = (
            models.UniqueConstraint("source", "code", name="neural_hooks_code_identity"),
        )

    def __str__(self) -> str:
        return f"{self.code} = {self.store_id}"

    def clean(self) -> None:
        """Refuse another store unless it is said from which day on; the store before is kept for
        what happened earlier."""
        before = type(self).objects.filter(pk=self.pk).exclude(store=self.store_id).first()
        if before and self.since in (None, before.since):
            raise ValidationError({"since": _("Enter the first business day of the new store.")})
        self.former_id = before.store_id if before else self.former_id

    def store_at(self, moment: dt.datetime) -> str:
        """The store of what happened at this moment."""
        is_later = self.since is None or self.store.business_day(moment) >= self.since
        return self.store_id if is_later or self.former_id is None else self.former_id


class PushState(models.TextChoices):
    """What became of a push that named no store of ours."""

    WAITING = "waiting", _("waiting")
    ROUTED = "routed", _("routed")
    DISMISSED = "dismissed", _("dismissed")


class UnroutedPush(models.Model):
    """A genuine push that belongs to no store yet, kept raw until its store code is known."""

    source = models.ForeignKey(
        WebhookSource, models.PROTECT, verbose_name=_("webhook source"), related_name="pushes"
    )
    push_id = models.CharField(_("push id"), max_length=200)
    store_code = models.CharField(_("store code"), max_length=100, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    """Why it could not be given to a store, in English."""
    payload = models.JSONField(_("payload"), encoder=DjangoJSONEncoder)
    """The request as it came (:mod:`neural.hooks.incoming.routing`)."""
    occurred_at = models.DateTimeField(_("occurred at"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    state = models.CharField(
        _("state"), max_length=10, choices=PushState.choices, default=PushState.WAITING
    )
    event = models.ForeignKey(
        NeuralEvent,
        models.SET_NULL,
        verbose_name=_("recorded as"),
        related_name="+",
        null=True,
        blank=True,
    )

    objects = OfSource.as_manager()

    class Meta:
        verbose_name = _("unrouted push")
        verbose_name_plural = _("unrouted pushes")
        constraints = (
            models.UniqueConstraint("source", "push_id", name="neural_hooks_push_identity"),
        )
        indexes = (
            models.Index(
                fields=["source", "store_code"],
                condition=models.Q(state=PushState.WAITING),
                name="neural_hooks_push_waiting",
            ),
        )
        permissions = (
            ("route_unroutedpush", "Can give an unrouted push to its store"),
            ("dismiss_unroutedpush", "Can dismiss an unrouted push"),
        )

    def __str__(self) -> str:
        return f"{self.source} {self.push_id}"

    def dismiss(self) -> bool:
        """Record that nothing is to be done about it. Returns whether it was waiting."""
        return self._change(PushState.WAITING, PushState.DISMISSED)

    def reopen(self) -> bool:
        """Let a dismissed push wait again. Returns whether it was dismissed."""
        return self._change(PushState.DISMISSED, PushState.WAITING)

    def _change(self, before: PushState, after: PushState) -> bool:
        mine = type(self).objects.filter(pk=self.pk, state=before)
        changed = bool(mine.update(state=after))
        if changed:
            self.state = after
        return changed


class ReconciliationState(models.TextChoices):
    """How far a platform was asked for what was missed."""

    ASKING = "asking", _("asking")
    DONE = "done", _("done")
    FAILED = "failed", pgettext_lazy("reconciliation", "in part failed")


class Reconciliation(models.Model):
    """Asking a platform for a day's orders: how far it is, and what came of it.

    Each request is followed by one change of the row, which goes on with ``page`` of the store
    number ``stores_done``. So a run that was killed goes on there, and of two runs one stops.
    """

    source = models.ForeignKey(
        WebhookSource,
        models.CASCADE,
        verbose_name=_("webhook source"),
        related_name="reconciliations",
    )
    day = models.DateField(_("day"))
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=ReconciliationState.choices,
        default=ReconciliationState.ASKING,
    )
    stores = models.PositiveIntegerField(_("stores"), default=0)
    stores_done = models.PositiveIntegerField(_("stores done"), default=0)
    page = models.TextField(blank=True, default="")
    """What leads to the next page; empty for the first one of the store."""
    tries = models.PositiveIntegerField(default=0)
    """How often the next request has failed."""
    turn = models.PositiveIntegerField(default=0)
    """How often the row was changed: whoever has read it before a change, changes nothing."""
    asked = models.PositiveIntegerField(_("pages asked for"), default=0)
    found = models.PositiveIntegerField(_("found"), default=0)
    here = models.PositiveIntegerField(_("already here"), default=0)
    submitted = models.PositiveIntegerField(_("submitted"), default=0)
    untranslated = models.PositiveIntegerField(_("not translated"), default=0)
    failures = models.JSONField(_("failed requests"), default=list)
    """Each with the store's ``code`` and the ``reason``, in English."""
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects = OfSource.as_manager()

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        constraints = (
            models.UniqueConstraint(
                "source",
                "day",
                condition=models.Q(state=ReconciliationState.ASKING),
                name="neural_hooks_one_reconciliation",
            ),
        )
        indexes = (models.Index(fields=["source", "-id"], name="neural_hooks_by_source"),)

    def __str__(self) -> str:
        return f"{self.source} {self.day}"

    @property
    def missed(self) -> int:
        """How much of what was found no push had brought."""
        return self.submitted + self.untranslated

    def change(self, **values: Any) -> bool:
        """Record what came of a request; returns False if another run has done so before."""
        mine = type(self).objects.filter(pk=self.pk, turn=self.turn)
        values["turn"] = self.turn + 1
        if not mine.filter(state=ReconciliationState.ASKING).update(**values):
            return False
        for name, value in values.items():
            setattr(self, name, value)
        return True
