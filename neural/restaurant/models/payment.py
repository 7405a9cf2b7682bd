"""Payments and refunds, each with its own id."""

from collections.abc import Sequence
from decimal import Decimal

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant import codes
from neural.restaurant.keys import KEY_LENGTH, number_of
from neural.restaurant.models.amounts import amount_field, text_field
from neural.restaurant.models.newest import NewestQuerySet, stated_columns, version_field
from neural.restaurant.models.order import Order
from neural.restaurant.models.order_status import OrderState
from neural.restaurant.models.rows import telling


class PaymentKind(models.TextChoices):
    PAYMENT = "payment", _("payment")
    REFUND = "refund", _("refund")


@codes.named(codes.PaymentStatus)
class PaymentStatus(models.TextChoices):
    """Only a completed payment or refund counts."""

    PENDING = "pending", _("pending")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


@codes.named(codes.RefundKind)
class RefundKind(models.TextChoices):
    """A return lowers what was sold; a reversal undoes a payment, which is owed again."""

    RETURN = "return", _("return")
    REVERSAL = "reversal", _("payment undone")


class PaymentQuerySet(NewestQuerySet["Payment"]):
    def take(self, payment: "Payment") -> set[int]:
        """Write a payment, unless a newer statement of it is known. Returns the order (its primary
        key) if its sums change."""
        key = {name: getattr(payment, name) for name in ("key", "kind", "order_id")}
        stated = stated_columns(Payment, key=("key", "kind", "order", "moved"))
        values = {name: getattr(payment, name) for name in stated}
        is_daily = payment.key.startswith("//")
        # That of a daily ticket may count for another order than it names.
        known = self._same(payment).select_for_update().first() if is_daily else None
        if known is None and self.insert_if_absent(key=key, values=telling(Payment, values)):
            return {payment.order_id}
        known = known or self.select_for_update().get(**key)
        if payment.version > known.version:
            self.filter(pk=known.pk).update(**values)
        elif not is_daily:  # or the order that it names may have come anew
            return set()
        return {known.order_id}

    def _same(self, payment: "Payment") -> "PaymentQuerySet":
        """The payments of this one's id in the store, whatever their orders."""
        return self.filter(key=payment.key, kind=payment.kind, store=payment.store_id)

    def counting(self) -> "PaymentQuerySet":
        """Payments and refunds that are completed and did not move to another order."""
        return self.filter(status=PaymentStatus.COMPLETED, moved=False)

    def mark_moved(self, order: Order) -> None:
        """Mark the payments of a merged order that are stated for the surviving one too."""
        there = self.filter(order__store=order.store_id, order__key=order.survivor)
        # Of two that were merged into each other, none has moved: the money would be nowhere.
        there = there.exclude(order__merged_into=order.key, order__state=OrderState.CANCELLED)
        # By the ids, as the key of a daily ticket's payment names the ticket.
        same = there.filter(reference=models.OuterRef("reference"), kind=models.OuterRef("kind"))
        moved = models.Exists(same)
        self.filter(order=order).exclude(moved=moved).update(moved=moved)

    def namesakes_of(self, payment: "Payment") -> Sequence["Payment"]:
        """The newest payments of the same id in other orders of the store: a till may number the
        payments of every order from 1, or may have stated this one for a wrong order first."""
        others = self._same(payment).exclude(order=payment.order_id).order_by("-order")
        return list(others.select_related("order")[:MOST_NAMESAKES])


MOST_NAMESAKES = 3


class Payment(models.Model):
    """Money that was received (a payment) or returned (a refund) for an order. Its id need only be
    unique in its order: the same id in another order is another payment."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="payments", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=7, choices=PaymentKind.choices)
    # The column had this name before an id could begin again.
    key = models.CharField(
        _("key"),
        max_length=KEY_LENGTH,
        db_column="reference",
        help_text=_("Made of till, business day, order and id, as far as they are stated."),
    )
    reference = text_field(
        _("reference"),
        100,
        db_column="payment_id",
        help_text=_("The id of the payment or of the refund."),
    )
    order = models.ForeignKey(
        Order, models.PROTECT, verbose_name=_("order"), related_name="payments", db_index=False
    )
    refund_of = text_field(_("refund of payment"), 100)
    amount = amount_field(_("amount"))
    stated_amount = amount_field(
        _("stated for the whole order"),
        null=True,
        blank=True,
        help_text=_("The refund gives back what others left of this."),
    )
    currency = text_field(_("currency"), 3, help_text=_("Empty means the order's currency."))
    tender = text_field(_("tender"), 50, db_column="method")
    tip = amount_field(_("tip"), default=Decimal(0), db_default=Decimal(0))
    given = amount_field(_("given"), null=True, blank=True)
    status = models.CharField(
        _("status"),
        max_length=9,
        choices=PaymentStatus.choices,
        default=PaymentStatus.COMPLETED,
        db_default=PaymentStatus.COMPLETED,
    )
    refund_kind = text_field(_("kind of refund"), 8, choices=RefundKind.choices)
    lines = models.JSONField(_("returned lines"), null=True, blank=True, encoder=DjangoJSONEncoder)
    reason = text_field(_("reason"), 500)
    fee = amount_field(_("fee"), default=Decimal(0), db_default=Decimal(0))
    settled = models.BooleanField(_("settled"), default=False, db_default=False)
    paid_amount = amount_field(_("paid in the guest's currency"), null=True, blank=True)
    paid_currency = text_field(_("guest's currency"), 3)
    moved = models.BooleanField(
        _("moved to another order"),
        default=False,
        db_default=False,
        help_text=_("Stated again for the order that its order was merged into: counts there."),
    )
    timeless = models.BooleanField(
        _("states no time"),
        default=False,
        db_default=False,
        help_text=_("Its time is when it was recorded."),
    )
    business_day = models.DateField(_("business day"), null=True, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    version = version_field()

    objects = PaymentQuerySet.as_manager()
    namesakes: Sequence["Payment"] = ()
    """Set where a page shows them."""

    class Meta:
        db_table = "neural_payment"
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = (
            # The key comes first, so that the index also serves a search by key.
            # Named as expressions, so that it is an index, which is built while others write.
            models.UniqueConstraint("key", "kind", "order", name="neural_payment_of_order"),
            models.CheckConstraint(
                condition=Q(kind__in=PaymentKind.values), name="neural_payment_known_kind"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="neural_payment_not_negative"),
        )
        indexes = (
            # For summing up the payments of an order.
            models.Index(fields=("order",), name="neural_payment_by_order"),
            # For the admin's list of one store, newest first, and for operators of some stores.
            models.Index(fields=("store", "-id"), name="neural_payment_by_store"),
            # For a search by the id that people see.
            models.Index(fields=("reference",), name="neural_payment_by_reference"),
            # For the money of a store's business day.
            models.Index(fields=("store", "business_day"), name="neural_payment_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference or number_of(self.key)}"

    @property
    def change(self) -> Decimal | None:
        """What the guest got back in cash; None if it is not stated what was given, or if that was
        a voucher, of which the rest is lost."""
        if self.given is None or self.tender == "voucher":
            return None
        return self.given - self.amount - self.tip
