"""Payments and refunds, each with its own id."""

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
        """Write a payment, unless a newer statement of it is known.

        Returns the orders (primary keys) whose sums change: a correction may move a payment to
        another order.
        """
        key = {name: getattr(payment, name) for name in ("key", "kind", "store")}
        stated = stated_columns(Payment, key=tuple(key))
        values = {name: getattr(payment, name) for name in stated}
        if self.insert_if_absent(key=key, values=telling(Payment, values)):
            return {payment.order_id}
        known = self.select_for_update().get(**key)
        if payment.version <= known.version:
            return set()
        self.filter(pk=known.pk).update(**values)
        return {known.order_id, payment.order_id}


class Payment(models.Model):
    """Money that was received (a payment) or returned (a refund) for an order."""

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
    business_day = models.DateField(_("business day"), null=True, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    version = version_field()

    objects = PaymentQuerySet.as_manager()

    class Meta:
        db_table = "neural_payment"
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = (
            # The key comes first, so that the index also serves a search by key.
            models.UniqueConstraint(
                fields=("key", "kind", "store"), name="neural_payment_identity"
            ),
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
        """What the guest got back in cash; None if it is not stated what was given."""
        return None if self.given is None else self.given - self.amount - self.tip
