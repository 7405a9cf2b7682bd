"""Payments and refunds: each a row by its own id; an order's sums follow from the rows."""

from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.models import Order, Payment, PaymentKind
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import PaymentPayload, RefundPayload
from neural.restaurant.totals.money import MONEY


@handles("payment.completed")
def record_payment(event: NeuralEvent, data: PaymentPayload) -> None:
    """Take a payment. One that comes before its order makes the order expected."""
    _record(event, PaymentKind.PAYMENT, data.payment_id, data, method=data.method)


@handles("payment.refunded")
def record_refund(event: NeuralEvent, data: RefundPayload) -> None:
    """Take a refund. Neither its payment nor its order need be known yet."""
    _record(event, PaymentKind.REFUND, data.refund_id, data, refund_of=data.payment_id)


def _record(
    event: NeuralEvent,
    kind: PaymentKind,
    reference: str,
    data: PaymentPayload | RefundPayload,
    **particulars: str,
) -> None:
    payment = Payment(
        store=event.store,
        kind=kind,
        reference=reference,
        order_id=Order.objects.known(store=event.store, number=data.order_id),
        amount=data.amount,
        currency=data.currency,
        occurred_at=event.occurred_at,
        version=version_of(event),
        **particulars,
    )
    MONEY.ask(Payment.objects.take(payment))
