"""Handlers of payments and refunds. Each is a row with its own id; an order's sums are computed
from these rows."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.identity import key_of, states_no_time, ticket_day
from neural.restaurant.keys import payment_key
from neural.restaurant.models import Order, Payment, PaymentKind
from neural.restaurant.models.newest import newer_known, version_of
from neural.restaurant.schemas import PaymentStated, RefundStated
from neural.restaurant.totals import MONEY

Stated = PaymentStated | RefundStated


def _kind(_: NeuralEvent, stated: Stated) -> PaymentKind:
    return PaymentKind.REFUND if isinstance(stated, RefundStated) else PaymentKind.PAYMENT


def _reference(stated: Stated) -> str:
    return stated.refund_id if isinstance(stated, RefundStated) else stated.payment_id


def _key(event: NeuralEvent, stated: Stated) -> str:
    return payment_key(
        payment_id=_reference(stated),
        order=key_of(event, stated),
        till=stated.till,
        day=ticket_day(event, stated),
    )


IS_OLDER = newer_known(Payment, kind=_kind, key=_key, order__key=key_of)


@handles("payment.completed", "payment.stated", superseded=IS_OLDER, title=_("Record payments"))
def record_payment(event: NeuralEvent, stated: PaymentStated) -> None:
    """Save a payment. If its order is not known yet, an expected order is created."""
    _record(
        event,
        stated,
        given=stated.given,
        fee=stated.fee,
        settled=stated.settled,
        paid_amount=stated.paid_amount,
        paid_currency=stated.paid_currency,
    )


@handles("payment.refunded", "refund.stated", superseded=IS_OLDER, title=_("Record refunds"))
def record_refund(event: NeuralEvent, stated: RefundStated) -> None:
    """Save a refund. Neither its payment nor its order need be known yet."""
    _record(
        event,
        stated,
        refund_of=stated.payment_id,
        stated_amount=stated.amount if stated.whole else None,
        refund_kind=stated.kind,
        reason=stated.reason,
        lines=[line.to_keep() for line in stated.lines] or None,
    )


def _record(event: NeuralEvent, stated: Stated, **particulars: Any) -> None:
    payment = Payment(
        store=event.store,
        kind=_kind(event, stated),
        key=_key(event, stated),
        reference=_reference(stated),
        order_id=Order.objects.pk_of(store=event.store, key=key_of(event, stated)),
        amount=stated.amount,
        currency=stated.currency,
        tender=stated.tender,
        tip=stated.tip,
        status=stated.status,
        business_day=stated.business_day or event.store.business_day(event.occurred_at),
        occurred_at=event.occurred_at,
        timeless=states_no_time(event),
        version=version_of(event),
        **particulars,
    )
    MONEY.ask(Payment.objects.take(payment))
