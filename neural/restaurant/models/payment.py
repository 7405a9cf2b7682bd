"""Payments and refunds, each with its own id."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import amount_field
from neural.restaurant.models.newest import NewestQuerySet, version_field
from neural.restaurant.models.order import Order


class PaymentKind(models.TextChoices):
    PAYMENT = "payment", _("payment")
    REFUND = "refund", _("refund")


class PaymentQuerySet(NewestQuerySet["Payment"]):
    def take(self, payment: "Payment") -> set[int]:
        """Write a payment, unless a newer statement of it is known.

        Returns the orders (primary keys) whose sums change: a correction may move a payment to
        another order.
        """
        key = {name: getattr(payment, name) for name in ("reference", "kind", "store")}
        values = {name: getattr(payment, name) for name in _STATED_FIELDS}
        if self.insert_if_absent(key=key, values=values):
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
    reference = models.CharField(
        _("reference"), max_length=100, help_text=_("The id of the payment or of the refund.")
    )
    order = models.ForeignKey(
        Order, models.PROTECT, verbose_name=_("order"), related_name="payments", db_index=False
    )
    refund_of = models.CharField(
        _("refund of payment"), max_length=100, blank=True, default="", db_default=""
    )
    amount = amount_field(_("amount"))
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty means the order's currency."),
    )
    method = models.CharField(_("method"), max_length=50, blank=True, default="", db_default="")
    occurred_at = models.DateTimeField(_("occurred at"))
    version = version_field()

    objects = PaymentQuerySet.as_manager()

    class Meta:
        db_table = "neural_payment"
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = (
            # The reference comes first, so that the index also serves a search by reference.
            models.UniqueConstraint(
                fields=("reference", "kind", "store"), name="neural_payment_identity"
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
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}"


_STATED_FIELDS = (
    "order_id",
    "refund_of",
    "amount",
    "currency",
    "method",
    "occurred_at",
    "version",
)
