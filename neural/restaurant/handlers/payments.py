"""Handlers of payments and refunds. Each is a row with its own id; an order's sums are computed
from these rows."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.keys import payment_key
from neural.restaurant.models import Order, Payment, PaymentKind
from neural.restaurant.models.newest import version_of
from neural.restaurant.normal_form import key_of, normal_form, ticket_day
from neural.restaurant.schemas import PaymentPayload, PaymentStated, RefundPayload, RefundStated
from neural.restaurant.totals import MONEY


@handles("payment.completed", "payment.stated", title=_("Record payments"))
def record_payment(event: NeuralEvent, data: PaymentPayload | PaymentStated) -> None:
    """Save a payment. If its order is not known yet, an expected order is created."""
    stated: PaymentStated = normal_form(data)
    _record(
        event,
        PaymentKind.PAYMENT,
        stated,
        stated.payment_id,
        given=stated.given,
        fee=stated.fee,
        settled=stated.settled,
        paid_amount=stated.paid_amount,
        paid_currency=stated.paid_currency,
    )


@handles("payment.refunded", "refund.stated", title=_("Record refunds"))
def record_refund(event: NeuralEvent, data: RefundPayload | RefundStated) -> None:
    """Save a refund. Neither its payment nor its order need be known yet."""
    stated: RefundStated = normal_form(data)
    _record(
        event,
        PaymentKind.REFUND,
        stated,
        stated.refund_id,
        refund_of=stated.payment_id,
        refund_kind=stated.kind,
        reason=stated.reason,
        lines=[line.to_keep() for line in stated.lines] or None,
    )


def _record(
    event: NeuralEvent,
    kind: PaymentKind,
    stated: PaymentStated | RefundStated,
    reference: str,
    **particulars: Any,
) -> None:
    order = key_of(event, stated)
    day = ticket_day(event, stated)
    payment = Payment(
        store=event.store,
        kind=kind,
        key=payment_key(payment_id=reference, order=order, till=stated.till, day=day),
        reference=reference,
        order_id=Order.objects.pk_of(store=event.store, key=order),
        amount=stated.amount,
        currency=stated.currency,
        tender=stated.tender,
        tip=stated.tip,
        status=stated.status,
        business_day=stated.business_day or event.store.business_day(event.occurred_at),
        occurred_at=event.occurred_at,
        version=version_of(event),
        **particulars,
    )
    MONEY.ask(Payment.objects.take(payment))
