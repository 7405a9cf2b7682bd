"""Alerts: rules, what they have found, and where it is sent."""

import datetime as dt
import secrets
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.encrypted import EncryptedJSONField
from neural.models import Store
from neural.models.store import is_limited_to_stores, sees_every_store


class Severity(models.TextChoices):
    """How urgent an alert is."""

    WARNING = "warning", _("warning")
    """Look when there is time."""
    CRITICAL = "critical", _("critical")
    """Something does not work now."""


class AlertState(models.TextChoices):
    """The life of an alert."""

    PENDING = "pending", _("pending")
    """Found, but not for long enough yet: nobody sees it, and if it ends now it leaves no trace."""
    FIRING = "firing", _("firing")
    ACKNOWLEDGED = "acknowledged", _("acknowledged")
    """A person has taken it on: it still holds, and nobody is reminded."""
    RESOLVED = "resolved", _("resolved")
    """It no longer holds, as the rule itself has found."""


OPEN_STATES = (AlertState.FIRING, AlertState.ACKNOWLEDGED)
USERNAME_LENGTH = 150


class AlertRule(models.Model):
    """What people have set for a rule; a rule without a row has the settings' thresholds."""

    name = models.CharField(_("rule"), max_length=50, primary_key=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    thresholds = models.JSONField(_("thresholds"), default=dict, blank=True)
    """Thresholds by name; those that are not named are the settings'."""
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")

    def __str__(self) -> str:
        return self.name


class AlertQuerySet(models.QuerySet):
    """Alerts, with filters by state and by who may see them."""

    def unresolved(self) -> Self:
        """Alerts that have not ended, also pending ones."""
        return self.exclude(state=AlertState.RESOLVED)

    def open(self) -> Self:
        """Alerts that hold now."""
        return self.filter(state__in=OPEN_STATES)

    def resolved_since(self, moment: dt.datetime) -> Self:
        """Alerts that have ended since this moment."""
        return self.filter(state=AlertState.RESOLVED, resolved_at__gt=moment)

    def for_user(self, user: Any) -> Self:
        """The alerts that this user may see.

        A user who is limited to stores sees those of these stores; a user who may not see every
        store, and operates none, sees those that concern no single store.
        """
        if not user.is_authenticated:
            return self.none()
        if sees_every_store(user):
            return self
        if is_limited_to_stores(user):
            mine = Store.objects.filter(operators=user.pk).values_list("pk", flat=True)
            return self.filter(store_code__in=list(mine))
        return self.filter(store_code="")


class Alert(models.Model):
    """Something that a rule has found: of one subject, from its start to its end."""

    rule = models.CharField(_("rule"), max_length=50)
    subject = models.CharField(_("subject"), max_length=255, blank=True, default="")
    """A queue, a store, a schedule, an error group; empty for the whole chain."""
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    """The store that it concerns alone; its operators see it, too."""
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    state = models.CharField(
        _("state"), max_length=12, choices=AlertState.choices, default=AlertState.FIRING
    )
    facts = models.JSONField(_("facts"), default=dict, encoder=DjangoJSONEncoder)
    """The values from which its text is made, in the language of whoever reads it."""
    since = models.DateTimeField(_("since"), db_default=Now())
    seen_at = models.DateTimeField(_("last seen"), db_default=Now())
    flapping_at = models.DateTimeField(_("found flapping"), null=True, blank=True)
    """Since when it is known to begin and end again and again: it ends when it has kept away for
    the time of :data:`neural.monitoring.alerts.life.FLAPPING_WITHIN`."""
    escalated_at = models.DateTimeField(_("escalated"), null=True, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(
        _("acknowledged by"), max_length=USERNAME_LENGTH, blank=True, default=""
    )
    told_at = models.DateTimeField(_("last told"), null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "subject"],
                condition=~Q(state=AlertState.RESOLVED),
                name="neural_alert_open_once",
            ),
        )
        indexes = (
            models.Index(fields=["state", "-since"], name="neural_alert_state"),
            models.Index(fields=["rule", "subject", "-id"], name="neural_alert_subject"),
            models.Index(fields=["resolved_at"], name="neural_alert_resolved"),
            models.Index(fields=["store_code", "-id"], name="neural_alert_store"),
        )
        permissions = (
            ("acknowledge_alert", "Can acknowledge alerts"),
            ("test_alert", "Can send test alerts"),
        )

    def __str__(self) -> str:
        return f"{self.rule} {self.subject}".strip()

    @property
    def is_open(self) -> bool:
        """Whether it holds now, acknowledged or not."""
        return self.state in OPEN_STATES

    def acknowledge(self, username: str, *, now: dt.datetime) -> bool:
        """Record that this person has taken it on. Returns False unless it is firing."""
        firing = type(self).objects.filter(pk=self.pk, state=AlertState.FIRING)
        return bool(
            firing.update(
                state=AlertState.ACKNOWLEDGED,
                acknowledged_at=now,
                acknowledged_by=username[:USERNAME_LENGTH],
            )
        )


class ChannelKind(models.TextChoices):
    """The kinds of places that alerts are sent to."""

    EMAIL = "email", _("e-mail")
    WEBHOOK = "webhook", _("signed webhook")
    WECOM = "wecom", _("WeCom robot")
    DINGTALK = "dingtalk", _("DingTalk robot")
    FEISHU = "feishu", _("Feishu robot")


class AlertChannel(models.Model):
    """A place that alerts are sent to."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ChannelKind.choices)
    enabled = models.BooleanField(_("enabled"), default=True)
    least_severity = models.CharField(
        _("least severity"), max_length=10, choices=Severity.choices, default=Severity.WARNING
    )
    language = models.CharField(_("language"), max_length=20, default="zh-hans")
    addresses = models.TextField(
        _("e-mail addresses"), blank=True, default="", help_text=_("One a line.")
    )
    secrets = EncryptedJSONField(default=dict)
    """``url`` (it contains a robot's key) and ``secret``, by name."""
    broken = models.CharField(_("broken"), max_length=500, blank=True, default="")
    """Why it cannot be sent to until a person corrects it; empty while it is well."""

    class Meta:
        verbose_name = _("alert channel")
        verbose_name_plural = _("alert channels")

    def __str__(self) -> str:
        return self.name


def new_message_id() -> str:
    """An id that stays the same over all attempts to send a message."""
    return f"msg_{secrets.token_hex(12)}"


class AlertMessage(models.Model):
    """A message about alerts of one rule to one channel, and what became of it."""

    message_id = models.CharField(_("message id"), max_length=40, default=new_message_id)
    channel = models.ForeignKey(AlertChannel, models.CASCADE, verbose_name=_("channel"))
    rule = models.CharField(_("rule"), max_length=50)
    content = models.JSONField(_("content"), default=dict, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    task_id = models.CharField(_("task id"), max_length=255, blank=True, default="")
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")
        indexes = (models.Index(fields=["channel", "rule", "-id"], name="neural_alert_message"),)

    def __str__(self) -> str:
        return self.message_id
