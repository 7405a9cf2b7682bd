"""Webhooks that we call: subscriptions, and their deliveries."""

import secrets
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from neural.kit.encrypted import EncryptedJSONField
from neural.kit.outbound.outbox import Outgoing
from neural.models import NeuralEvent, RunState, Store, TaskRun
from neural.models.store import StoreScopedQuerySet, sees_every_store, visible_stores

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

TEST_TYPE = "webhook.test"
"""The type of a test message."""


class SubscriptionState(models.TextChoices):
    """Whether a subscription's deliveries are sent."""

    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    """By a person or by us, see ``paused_reason``. Its deliveries wait."""


class PauseReason(models.TextChoices):
    """Why a subscription is paused."""

    BY_HAND = "by_hand", _("A person paused it.")
    FAILING = "failing", _("Its receiver failed for too long.")
    GONE = "gone", _("Its receiver answered 410 Gone: it wants no more.")


class SubscriptionQuerySet(models.QuerySet):
    """Subscriptions, with filters by state and by who may see them."""

    def for_user(self, user: "User | AnonymousUser") -> Self:
        """The subscriptions that a user may see: every one, or those of which all stores are the
        user's own. One store more, and the user would send another's events somewhere."""
        mine = visible_stores(user)
        if mine is None:
            return self
        through = Subscription.stores.through.objects
        others = through.exclude(store__in=mine).values("subscription")
        some = through.filter(store__in=mine).values("subscription")
        return self.filter(every_store=False, pk__in=some).exclude(pk__in=others)

    def active(self) -> Self:
        """Subscriptions that are not paused."""
        return self.filter(state=SubscriptionState.ACTIVE)


def new_key() -> str:
    """A random key for a subscription."""
    return secrets.token_hex(8)


class Subscription(models.Model):
    """A receiver of events and outcomes: which of them, from which stores, and its address."""

    key = models.CharField(max_length=16, unique=True, default=new_key, editable=False)
    """Makes the ids of its messages unlike those of any other subscription anywhere."""
    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(
        _("address"),
        max_length=500,
        help_text=_("Where the receiver takes messages; it begins with https://"),
    )
    secrets = EncryptedJSONField(_("secrets"), default=list, editable=False)
    """A list of objects with ``secret`` and ``until`` (None: for good), the newest first: see
    ``neural.hooks.outgoing.messages``."""
    every_store = models.BooleanField(
        _("every store"), default=False, help_text=_("Also the stores that are added later.")
    )
    stores = models.ManyToManyField(
        Store, verbose_name=_("stores"), related_name="webhook_subscriptions", blank=True
    )
    history = models.BooleanField(
        _("history, too"),
        default=False,
        help_text=_("Also what is loaded afterwards (backfill, the queue low_priority)."),
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
        _("paused because"),
        max_length=10,
        choices=PauseReason.choices,
        blank=True,
        default="",
        editable=False,
    )
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    retry_at = models.DateTimeField(_("next attempt at"), null=True, blank=True, editable=False)
    """Nothing is sent before this time; None if anything may be."""
    slow = models.BooleanField(_("slow"), default=False, editable=False)
    """Whether its receiver answered slowly the last time."""
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

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("name", "pk")
        permissions = (
            ("pause_subscription", "Can pause and resume a subscription"),
            ("rotate_subscription", "Can give a subscription a new secret"),
            ("send_subscription", "Can send test messages, and deliveries again"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def types(self) -> list[str]:
        """The types to which it subscribes, sorted."""
        return sorted(each.name for each in self.subscribed_types.all())

    def take_over(self, user: "User") -> bool:
        """Make this person answer for it; returns False if somebody else did so meanwhile."""
        same = Subscription.objects.filter(pk=self.pk, created_by=self.created_by_id)
        return bool(same.update(created_by=user))

    def subscribe(self, names: "set[str]") -> None:
        """Make these its types, in place of those before."""
        self.subscribed_types.exclude(name__in=names).delete()
        rows = [SubscribedType(subscription=self, name=name) for name in sorted(names)]
        SubscribedType.objects.bulk_create(rows, ignore_conflicts=True)

    def pause(self, reason: PauseReason) -> bool:
        """Send nothing until :meth:`resume`. Returns whether it was active."""
        changes = {"paused_reason": reason, "paused_at": Now()}
        return self._move(SubscriptionState.ACTIVE, SubscriptionState.PAUSED, **changes)

    def resume(self) -> bool:
        """Send what waits, as if the receiver had never failed. Returns whether it was paused."""
        return self._move(
            SubscriptionState.PAUSED,
            SubscriptionState.ACTIVE,
            paused_reason="",
            paused_at=None,
            failures=0,
            failing_since=None,
            retry_at=None,
        )

    def _move(self, old: SubscriptionState, new: SubscriptionState, **changes: Any) -> bool:
        mine = type(self).objects.filter(pk=self.pk, state=old)
        if not mine.update(state=new, **changes):
            return False
        if new == SubscriptionState.ACTIVE:
            waiting = self.deliveries.pending()
            # Of a million that wait, only those that were tried are written.
            waiting.filter(failing_since__isnull=False).update(failing_since=None)
            waiting.make_due()
        self.refresh_from_db(fields=["state", *changes])
        return True


class SubscribedType(models.Model):
    """One type to which a subscription subscribes: see ``neural.hooks.outgoing.subscribed``."""

    subscription = models.ForeignKey(
        Subscription, models.CASCADE, related_name="subscribed_types", db_index=False
    )
    name = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint("subscription", "name", name="neural_hooks_type_identity"),
        )

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    """What became of a delivery."""

    PENDING = "pending", _("pending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    """Given up."""


class DeliveryQuerySet(StoreScopedQuerySet):
    """Deliveries. A user sees those of the user's stores to subscriptions that the user sees."""

    def for_user(self, user: "User | AnonymousUser") -> Self:
        if sees_every_store(user):
            return self
        seen = Subscription.objects.for_user(user).values("pk")
        return super().for_user(user).filter(subscription__in=seen)

    def pending(self) -> Self:
        """Deliveries that are neither delivered nor given up."""
        return self.filter(state=DeliveryState.PENDING)

    def unrequested(self) -> Self:
        """Pending deliveries without a run."""
        return self.pending().filter(task_id="")

    def requested(self) -> Self:
        """Pending deliveries with a run."""
        return self.pending().exclude(task_id="")

    def without_live_run(self) -> Self:
        """Of these, those whose run neither waits nor works: a person has cancelled it, say."""
        live = TaskRun.objects.filter(
            task_id=models.OuterRef("task_id"), state__in=(RunState.PENDING, RunState.RUNNING)
        )
        return self.filter(~models.Exists(live))

    def make_due(self) -> None:
        """Make the waiting runs of these deliveries due at once."""
        task_ids = list(self.exclude(task_id="").values_list("task_id", flat=True))
        runs = TaskRun.objects.filter(task_id__in=task_ids, state=RunState.PENDING)
        runs.update(available_at=Now(), publish_at=Now())


class Delivery(Outgoing):
    """One message for one subscription. Its id stays the same over all attempts; ``task_id`` is
    empty while no run was requested, ``answer`` the beginning of the receiver's, or why there was
    none."""

    # Without a constraint: it would fail a submit that runs beside the deletion of a subscription.
    # What is left of a deleted one is shown nowhere, and pruned by age.
    subscription = models.ForeignKey(
        Subscription,
        models.DO_NOTHING,
        verbose_name=_("subscription"),
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        verbose_name=_("store"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    type = models.CharField(_("type"), max_length=100)
    event = models.ForeignKey(
        NeuralEvent,
        models.SET_NULL,
        verbose_name=_("event"),
        related_name="webhook_deliveries",
        null=True,
        blank=True,
        db_index=False,
    )
    run = models.ForeignKey(
        TaskRun,
        models.SET_NULL,
        verbose_name=_("run that it tells of"),
        related_name="webhook_deliveries",
        null=True,
        blank=True,
        db_index=False,
    )
    """The run whose outcome is told; None if an event is told."""
    payload = models.JSONField(_("content"), null=True, blank=True, encoder=DjangoJSONEncoder)
    """The ``data`` of an outcome or a test; None if an event is told, which is read when it is
    sent."""
    state = models.CharField(
        _("state"), max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    answer_status = models.PositiveSmallIntegerField(_("status of answer"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="neural_hooks_known_state"
            ),
        )
        indexes = (
            # Admin: the deliveries of a subscription, a store or a type, and those in a state.
            models.Index(fields=["subscription", "-id"], name="neural_hooks_by_subscription"),
            models.Index(
                fields=["store", "-id"],
                condition=Q(store__isnull=False),
                name="neural_hooks_by_store",
            ),
            models.Index(fields=["type", "-id"], name="neural_hooks_by_type"),
            models.Index(
                fields=["state", "-id"],
                condition=~Q(state=DeliveryState.DELIVERED),
                name="neural_hooks_undelivered",
            ),
            # Relay: what needs a run, and what has one.
            models.Index(
                fields=["subscription", "id"],
                condition=Q(state=DeliveryState.PENDING, task_id=""),
                name="neural_hooks_unrequested",
            ),
            models.Index(
                fields=["subscription"],
                condition=Q(state=DeliveryState.PENDING) & ~Q(task_id=""),
                name="neural_hooks_requested",
            ),
            models.Index(
                fields=["subscription"],
                condition=Q(sending_until__isnull=False),
                name="neural_hooks_sending",
            ),
            # Admin: the deliveries of an event. Pruning runs: those that tell of one.
            models.Index(
                fields=["event"], condition=Q(event__isnull=False), name="neural_hooks_by_event"
            ),
            models.Index(
                fields=["run"], condition=Q(run__isnull=False), name="neural_hooks_by_run"
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} #{self.pk}"

    @property
    def message_id(self) -> str:
        """The id that receivers see, by which they recognise a repetition."""
        return f"msg_{self.subscription.key}_{self.pk}"

    def unsent(self) -> DeliveryQuerySet:
        return type(self).objects.pending().filter(pk=self.pk, task_id=self.task_id)

    def succeed(self, **answered: Any) -> None:
        """Record that the receiver has taken it."""
        self.conclude(
            state=DeliveryState.DELIVERED, delivered_at=Now(), failing_since=None, **answered
        )

    def fail(self, **answered: Any) -> None:
        """Record a failed attempt; the delivery waits for the next one."""
        self.conclude(failing_since=Coalesce("failing_since", Now()), **answered)

    def wait(self) -> None:
        """Let it wait for another run, because its subscription is paused."""
        self.conclude(task_id="", failing_since=None)

    def send_again(self) -> bool:
        """Send the same message once more, with the same id, by a new run; or at once, if it waits
        for its next attempt. Returns whether it does, which is always."""
        rows = type(self).objects.filter(pk=self.pk)
        if rows.exclude(state=DeliveryState.PENDING).update(
            state=DeliveryState.PENDING, task_id="", failing_since=None
        ):
            self.refresh_from_db(fields=["state", "task_id", "failing_since"])
        else:
            rows.make_due()
        Subscription.objects.filter(pk=self.subscription_id).update(retry_at=None)
        return True
