"""Alerts: rules, what they have found, and where it is sent."""

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.kit.encrypted import EncryptedJSONField
from neural.kit.outbound.outbox import ANSWER_LENGTH, Outgoing
from neural.models.store import visible_stores


class Severity(models.TextChoices):
    """How urgent an alert is."""

    WARNING = "warning", _("warning")
    """Look when there is time."""
    CRITICAL = "critical", _("critical")
    """Something does not work now."""


class AlertState(models.TextChoices):
    """The life of an alert."""

    PENDING = "pending", pgettext_lazy("alert", "pending")
    """Found, but not for long enough yet: nobody sees it, and if it ends now it leaves no trace."""
    FIRING = "firing", pgettext_lazy("alert", "firing")
    ACKNOWLEDGED = "acknowledged", _("acknowledged")
    """A person has taken it on: it still holds, and nobody is reminded."""
    RESOLVED = "resolved", pgettext_lazy("alert", "resolved")
    """It no longer holds, as the rule itself has found."""


PART = "is_part"
"""Among an alert's facts: that another alert of the rule, of the whole chain, tells of it too."""
OVER = "over"
"""Among the facts of an open alert: that it was not found any more, since when, and what was found
instead."""
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

    def without_parts(self) -> Self:
        """Without those of which an alert of the whole chain tells."""
        return self.exclude(facts__has_key=PART)

    def resolved_since(self, moment: dt.datetime) -> Self:
        """Alerts that have ended since this moment."""
        return self.filter(state=AlertState.RESOLVED, resolved_at__gt=moment)

    def for_user(self, user: Any) -> Self:
        """The alerts that this user may see.

        Whoever may not see every store sees those of their own stores, and none of the whole chain.
        """
        codes = visible_stores(user)
        if codes is None:
            return self
        return self.filter(store_code__in=codes)


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
    the time of :data:`neural.monitoring.alerts.evaluating.FLAPPING_WITHIN`."""
    escalated_at = models.DateTimeField(_("escalated"), null=True, blank=True)
    resolved_at = models.DateTimeField(
        pgettext_lazy("alert, time", "resolved"), null=True, blank=True
    )
    acknowledged_at = models.DateTimeField(
        pgettext_lazy("alert, time", "acknowledged"), null=True, blank=True
    )
    acknowledged_by = models.CharField(
        _("acknowledged by"), max_length=USERNAME_LENGTH, blank=True, default=""
    )
    told_at = models.DateTimeField(_("last told"), null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("monitoring", "alert")
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

    @property
    def is_part(self) -> bool:
        """Whether an alert of the whole chain tells of it too."""
        return isinstance(self.facts, dict) and self.facts.get(PART) is True

    @property
    def over(self) -> Mapping[str, Any]:
        """Since when an open alert is over (``since``), with the figures of its rule (``facts``);
        empty while it holds."""
        facts = self.facts if isinstance(self.facts, dict) and self.is_open else {}
        return facts.get(OVER, {})

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
    APPRISE = "apprise", _("another service, by Apprise")
    """Set by superusers alone: its requests pass our guard of addresses by."""


class AlertChannelQuerySet(models.QuerySet):
    """Channels, with filters by whether they can be sent to."""

    def receiving(self) -> Self:
        """Channels to which news is sent, without their secrets."""
        return self.filter(enabled=True, broken="").defer("secrets")


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
    broken = models.CharField(_("broken"), max_length=ANSWER_LENGTH, blank=True, default="")
    """Why it cannot be sent to until a person corrects it, as ``code: answer``; empty while it is
    well."""

    objects = AlertChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert channel")
        verbose_name_plural = _("alert channels")

    def __str__(self) -> str:
        return self.name

    def lock(self) -> bool:
        """Lock the row until the transaction ends; returns whether there still is one.

        It is an UPDATE that changes nothing, because SQLite has no FOR UPDATE: there, a transaction
        that begins by reading could not write if another had written in between.
        """
        return bool(type(self).objects.filter(pk=self.pk).update(enabled=F("enabled")))

    def mark_broken(self, why: str) -> None:
        """Send nothing more until a person has corrected the channel."""
        type(self).objects.filter(pk=self.pk).update(broken=why[:ANSWER_LENGTH])

    def mark_well(self) -> bool:
        """Note that it can be sent to; returns whether it was broken."""
        return bool(type(self).objects.filter(pk=self.pk).exclude(broken="").update(broken=""))


def new_message_id() -> str:
    """An id that stays the same over all attempts to send a message."""
    return f"msg_{secrets.token_hex(12)}"


class AlertMessageState(models.TextChoices):
    """What has become of a message."""

    PENDING = "pending", _("pending")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")
    """It is not tried again: the channel is broken or off, or it was tried for too long."""


class AlertMessageQuerySet(models.QuerySet):
    """Messages, with filters by state and time."""

    def pending(self) -> Self:
        """Messages that are still to be sent."""
        return self.filter(state=AlertMessageState.PENDING)

    def collecting(self) -> Self:
        """Messages that further news can still be added to: nobody has tried to send them."""
        return self.pending().filter(attempts=0)

    def free(self, now: Any) -> Self:
        """Pending messages that nobody is sending."""
        return self.pending().filter(_is_free(now))


def _is_free(now: Any) -> Q:
    return Q(sending_until=None) | Q(sending_until__lte=now)


class AlertMessage(Outgoing):
    """A message about alerts of one rule to one channel, and what became of it: its ``answer`` is
    stored as ``code: text``."""

    message_id = models.CharField(
        _("message id"), max_length=40, unique=True, default=new_message_id
    )
    channel = models.ForeignKey(
        AlertChannel, models.CASCADE, verbose_name=_("channel"), db_index=False
    )
    rule = models.CharField(_("rule"), max_length=50, blank=True, default="")
    """Empty for a test message."""
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=AlertMessageState.choices,
        default=AlertMessageState.PENDING,
    )
    content = models.JSONField(_("content"), default=dict, encoder=DjangoJSONEncoder)
    """The news, in the channel's language: see ``neural.monitoring.alerts.composing``."""
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    due_at = models.DateTimeField(_("due at"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects = AlertMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")
        indexes = (
            models.Index(fields=["channel", "rule", "-id"], name="neural_alert_message"),
            models.Index(fields=["channel", "id"], name="neural_alert_message_channel"),
            models.Index(fields=["state", "id"], name="neural_alert_message_state"),
            models.Index(
                fields=["due_at"],
                condition=Q(state=AlertMessageState.PENDING),
                name="neural_alert_message_due",
            ),
        )

    def __str__(self) -> str:
        return self.message_id

    @property
    def alert_keys(self) -> set[int]:
        """The keys of the alerts of which it tells."""
        return {each.get("alert") for each in self.content.get("alerts", ())}

    def unsent(self) -> AlertMessageQuerySet:
        return type(self).objects.pending().filter(pk=self.pk)

    def take(self, *, now: dt.datetime, until: dt.datetime) -> bool:
        """Begin an attempt, if it is due and nobody else is sending it."""
        return self.begin(_is_free(now), now=now, until=until, due_at__lte=now)
