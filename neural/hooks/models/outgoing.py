"""Webhooks that we call: subscriptions, and their deliveries."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.hooks.encrypted import EncryptedJSONField
from neural.models import NeuralEvent, Store, TaskRun


class SubscriptionState(models.TextChoices):
    """Whether a subscription gets deliveries."""

    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    """By a person, or because its receiver failed for too long: see ``paused_reason``."""


class Subscription(models.Model):
    """A receiver of events and outcomes: which of them, from which stores, and its address."""

    name = models.CharField(_("name"), max_length=100)
    url = models.URLField(_("address"), max_length=500)
    secret = EncryptedJSONField(_("secret"))
    """The secrets of Standard Webhooks (``whsec_…``): a list, of which the first signs, and the
    others sign, too, while receivers change over."""
    types = models.JSONField(
        _("types"),
        default=list,
        help_text=_("Event types, like order.stated, and outcomes: run.succeeded, run.dead."),
    )
    every_store = models.BooleanField(_("every store"), default=False)
    stores = models.ManyToManyField(
        Store, verbose_name=_("stores"), related_name="webhook_subscriptions", blank=True
    )
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=SubscriptionState.choices,
        default=SubscriptionState.ACTIVE,
        editable=False,
    )
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True, editable=False)
    paused_reason = models.CharField(
        _("paused because"), max_length=500, blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("created by"),
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        permissions = (
            ("pause_subscription", "Can pause and resume a subscription"),
            ("send_subscription", "Can send a delivery again"),
        )

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    """What became of a delivery."""

    PENDING = "pending", _("pending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    """Given up."""


class Delivery(models.Model):
    """One message for one subscription. Its id stays the same over all attempts."""

    subscription = models.ForeignKey(
        Subscription, models.CASCADE, verbose_name=_("subscription"), related_name="deliveries"
    )
    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="+", null=True, blank=True
    )
    type = models.CharField(_("type"), max_length=100)
    event = models.ForeignKey(
        NeuralEvent,
        models.SET_NULL,
        verbose_name=_("event"),
        related_name="webhook_deliveries",
        null=True,
        blank=True,
    )
    run = models.ForeignKey(
        TaskRun,
        models.SET_NULL,
        verbose_name=_("run"),
        related_name="webhook_deliveries",
        null=True,
        blank=True,
    )
    """The run whose outcome is told; None if an event is told."""
    payload = models.JSONField(_("payload"), null=True, blank=True, encoder=DjangoJSONEncoder)
    """The outcome that is told; None if an event is told, whose payload is read from it."""
    state = models.CharField(
        _("state"), max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    requested_at = models.DateTimeField(_("requested at"), null=True, blank=True)
    """When a run was requested for it; None until then."""
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    attempted_at = models.DateTimeField(_("attempted last at"), null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(_("status of answer"), null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=500, blank=True, default="")
    """The beginning of the receiver's answer, or why there was none."""
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = (
            models.Index(fields=["subscription", "-id"], name="neural_hooks_of_subscription"),
            models.Index(
                fields=["id"],
                condition=models.Q(state=DeliveryState.PENDING, requested_at=None),
                name="neural_hooks_unrequested",
            ),
        )

    def __str__(self) -> str:
        return self.message_id

    @property
    def message_id(self) -> str:
        """The id that receivers see, by which they recognise a repetition."""
        return f"msg_{self.pk}"
