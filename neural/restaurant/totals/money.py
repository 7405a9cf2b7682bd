"""What came in and went back for an order: the sums of its payments and refunds."""

from collections import defaultdict
from decimal import Decimal

from django.db.models import Sum

from neural.ledger.recompute import Recomputation
from neural.restaurant.models import Order, Payment, PaymentKind

Sums = dict[tuple[str, str], Decimal]
"""By kind and currency."""


def recompute_money(orders: list[int]) -> None:
    """Compute the money of these orders (primary keys) from their payments.

    First the lock, then the sums: a payment that another transaction committed while this
    one waited is seen by the later statement.
    """
    locked = list(Order.objects.filter(pk__in=orders).order_by("pk").select_for_update(no_key=True))
    sums = _sums(orders)
    for order in locked:
        order.set_money(
            paid=_total(sums[order.pk], PaymentKind.PAYMENT, order.currency),
            refunded=_total(sums[order.pk], PaymentKind.REFUND, order.currency),
        )


def _sums(orders: list[int]) -> defaultdict[int, Sums]:
    sums: defaultdict[int, Sums] = defaultdict(dict)
    rows = Payment.objects.filter(order__in=orders).values_list("order", "kind", "currency")
    for order, kind, currency, amount in rows.annotate(Sum("amount")):
        sums[order][kind, currency] = amount
    return sums


def _total(sums: Sums, kind: PaymentKind, currency: str) -> Decimal:
    """Money in another currency than the order's is kept but cannot be added up."""
    return sum(
        (
            amount
            for (its_kind, its_currency), amount in sums.items()
            if its_kind == kind and (not currency or its_currency in ("", currency))
        ),
        Decimal(0),
    )


MONEY = Recomputation(rank=1, compute=recompute_money)
