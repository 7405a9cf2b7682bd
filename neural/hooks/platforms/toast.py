"""Toast: point of sale of restaurants in North America and Great Britain.

A push holds the whole order. An order has one or more checks; they are one order here, whose
payments and lines are those of all checks.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from neural.hooks.platforms.amounts import PLACES, from_iso, priced, written
from neural.hooks.platforms.base import (
    API_URL,
    CannotTranslate,
    Client,
    Credential,
    Credentials,
    Platform,
    Push,
    PushUnreadable,
    Received,
    SignatureRefused,
    Translated,
    base64_hmac,
    gettext_noop,
    must_be_timely,
    must_match,
    needed,
)
from neural.hooks.platforms.reading import Fields, json_of, pushed_object
from neural.hooks.platforms.stating import ZERO, Statement, entries, entry, event, line

RESENT_FOR = 15 * 60.0
"""Toast sends a push again after 5 and after 10 minutes, and then never."""
DEEPEST_MODIFIER = 8

_RESTAURANT = "toast-restaurant-external-id"
_ORDERS = ("order_updated", "orders_updated", "channel_order_updated")
_STOCK = {
    "in_stock": "item.available",
    "low_quantity": "item.available",
    "out_of_stock": "item.sold_out",
}
_APPROVALS = {
    "FUTURE": "scheduled",
    "NEEDS_APPROVAL": "open",
    "APPROVED": "open",
    "NOT_APPROVED": "rejected",
}
_TENDERS = {
    "CASH": "cash",
    "CREDIT": "card",
    "GIFTCARD": "stored_value",
    "TOAST_SV": "stored_value",
    "HOUSE_ACCOUNT": "on_account",
    "REWARDCARD": "points",
    "LEVELUP": "other",
    "OTHER": "other",
    "UNDETERMINED": "",
}
_PAID = {
    **dict.fromkeys(("OPEN", "PROCESSING"), "pending"),
    **dict.fromkeys(
        ("AUTHORIZED_AT_RISK", "AUTHORIZED", "CAPTURE_IN_PROGRESS", "CAPTURED"), "completed"
    ),
    **dict.fromkeys(("ERROR", "ERROR_NETWORK", "DENIED"), "failed"),
    **dict.fromkeys(("PROCESSING_VOID", "VOIDED_AT_RISK", "VOIDED", "CANCELLED"), "cancelled"),
}


class Toast(Platform):
    """Webhooks of a Toast integration: orders and stock."""

    name = "toast"
    label = "Toast"
    credentials = (
        Credential(name="secret", label=gettext_noop("Secret key of the webhook subscription")),
        Credential(name="client_id", label=gettext_noop("Client ID"), required=False, secret=False),
        Credential(name="client_secret", label=gettext_noop("Client secret"), required=False),
        API_URL,
    )
    api = "https://ws-api.toasttab.com"
    documents = (
        "https://doc.toasttab.com/doc/devguide/apiMessageSigning.html",
        "https://doc.toasttab.com/doc/devguide/apiMessageDataSchema.html",
        "https://doc.toasttab.com/doc/devguide/devOrdersWebhookRef.html",
        "https://doc.toasttab.com/doc/devguide/apiStockWebhook.html",
        "https://doc.toasttab.com/doc/devguide/apiRetrySupport.html",
        "https://doc.toasttab.com/openapi/orders/tag/Data-definitions/schema/Order",
    )

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        timestamp = _timestamp(request)
        signed = request.body + timestamp.encode("utf-8", "backslashreplace")
        right = base64_hmac(needed(credentials, "secret"), signed)
        must_match(request.headers.get("toast-signature"), right)
        must_be_timely(from_iso(timestamp), now=now, tolerance=tolerance, resent_for=RESENT_FOR)

    def read(self, request: Received) -> Push:
        with pushed_object(request) as pushed:
            restaurant = request.headers.get(_RESTAURANT, "")
            return Push(
                push_id=pushed.id("guid"),
                body=pushed.value,
                store_code=pushed.part("details").id_or_none("restaurantGuid") or restaurant,
                occurred_at=pushed.instant("timestamp"),
                headers={_RESTAURANT: restaurant} if restaurant else {},
            )

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        pushed = Fields(push.body)
        details = pushed.part("details")
        if pushed.text("eventType") not in _ORDERS or details.part("order").has("checks"):
            return None
        if not (credentials.get("client_id") and credentials.get("client_secret")):
            raise CannotTranslate(
                "the push names an order without its checks: enter the client ID and secret of the "
                "Toast API in the source"
            )
        address = self.api_of(credentials)
        order_id = quote(_order_id(details), safe="")
        headers = {
            "Authorization": f"Bearer {_token(address, credentials, client)}",
            _RESTAURANT: details.id_or_none("restaurantGuid") or push.headers.get(_RESTAURANT, ""),
        }
        return client.get(f"{address}/orders/v2/orders/{order_id}", headers=headers)

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = Fields(push.body)
        kind = pushed.text("eventType")
        if not kind:
            raise pushed.wrong("eventType", "the type of an event")
        if kind in _STOCK:
            item = pushed.at("details").id("itemGuid")
            payload = {"dish": item, "till": "toast"}
            return [event(_STOCK[kind], item, payload, at=pushed.instant("timestamp"))]
        if kind not in _ORDERS:
            return []
        order = Fields(details, "details") if details else pushed.at("details").at("order")
        return list(_order(order))


def _timestamp(request: Received) -> str:
    """The timestamp as the body writes it, which is signed after the body."""
    try:
        timestamp = Fields(json_of(request.body)).value.get("timestamp")
    except (PushUnreadable, CannotTranslate):
        timestamp = None
    if not isinstance(timestamp, str):
        raise SignatureRefused("the body has no timestamp that can be read")
    return timestamp


def _order_id(details: Fields) -> str:
    return details.part("order").id_or_none("guid") or details.id("orderGuid")


def _token(address: str, credentials: Credentials, client: Client) -> str:
    answer = client.post(
        f"{address}/authentication/v1/authentication/login",
        json={
            "clientId": credentials["client_id"],
            "clientSecret": credentials["client_secret"],
            "userAccessType": "TOAST_MACHINE_CLIENT",
        },
    )
    return Fields(answer, "the answer to the login").at("token").text("accessToken", 10_000)


# Orders


def _order(order: Fields) -> Iterator[Translated]:
    checks = [each for each in order.each("checks") if not each.flag("deleted")]
    live = [each for each in checks if not each.flag("voided")]
    statement = Statement(
        till="toast", order_id=order.id("guid"), at=_changed(order), status=_status(order, live)
    )
    lines = [
        each
        for check in checks
        for selection in check.each("selections")
        for each in _lines(selection, void=check.flag("voided"))
    ]
    yield statement.order(
        lines,
        bill=[each for check in live for each in _bill(check)],
        total=sum((each.money("totalAmount") for each in live), ZERO),
        channel=_channel(order),
        ticket=order.text("displayNumber") or _ticket(checks),
        table=order.part("table").text("guid"),
        guests=order.guests("numberOfGuests", least=0),
        placed_at=order.moment("openedDate"),
        promised_at=order.moment("promisedDate"),
        closed_at=order.moment("closedDate"),
        business_day=order.day("businessDate"),
        staff=order.part("server").text("guid"),
    )
    for check in checks:
        for payment in check.each("payments"):
            yield from _payment(statement, payment, check)


def _changed(order: Fields) -> dt.datetime:
    """The newest change: that of a check may be later than the order's own."""
    checks = [each for each in order.each("checks") if each.has("modifiedDate")]
    return max([each.instant("modifiedDate") for each in (order, *checks)])


def _status(order: Fields, checks: Sequence[Fields]) -> str:
    if order.flag("voided"):
        return "voided"
    if order.flag("deleted"):
        return "merged"
    if checks and all(each.text("paymentStatus") == "CLOSED" for each in checks):
        return "closed"
    return order.one_of("approvalStatus", _APPROVALS, "open")


def _channel(order: Fields) -> str:
    if order.has("deliveryInfo"):
        return "delivery"
    return "takeaway" if order.has("curbsidePickupInfo") else ""


def _ticket(checks: Sequence[Fields]) -> str:
    return next((each.text("displayNumber") for each in checks if each.has("displayNumber")), "")


def _lines(selection: Fields, *, void: bool) -> Iterator[dict[str, Any]]:
    """A selection and its modifiers. Its price is that of all pieces with their modifiers, so the
    modifiers cost nothing here."""
    quantity = selection.quantity("quantity", 1)
    price, excess = priced(_gross(selection), quantity, PLACES)
    uid = selection.id_or_none("guid")
    state = "void" if void or selection.flag("voided") else "sold"
    yield line(
        line_id=uid,
        dish=selection.part("item").id_or_none("guid"),
        name=selection.name("displayName") or "open item",
        quantity=quantity,
        price=price,
        discount=excess + _own_discounts(selection),
        state=state,
        role="deferred" if selection.flag("deferred") else "item",
        tax=abs(selection.money("tax")) or None,
    )
    yield from _modifiers(selection, uid, state)


def _modifiers(
    selection: Fields, parent: str, state: str, depth: int = 1
) -> Iterator[dict[str, Any]]:
    if depth > DEEPEST_MODIFIER:
        raise CannotTranslate(f"modifiers are nested deeper than {DEEPEST_MODIFIER} levels")
    for modifier in selection.each("modifiers"):
        uid = modifier.id_or_none("guid")
        void = modifier.flag("voided")
        yield line(
            line_id=uid,
            dish=modifier.part("item").id_or_none("guid"),
            name=modifier.name("displayName") or "modifier",
            quantity=modifier.quantity("quantity", 1),
            price=ZERO,
            state="void" if void else state,
            role="modifier",
            parent=parent,
        )
        yield from _modifiers(modifier, uid, state, depth + 1)


def _gross(selection: Fields) -> Decimal:
    gross = selection.number("preDiscountPrice")
    return selection.money("price") if gross is None else gross


def _own_discounts(selection: Fields) -> Decimal:
    return sum(map(_discount, selection.each("appliedDiscounts")), ZERO)


def _discount(applied: Fields) -> Decimal:
    """What a discount takes from the price, which is without tax."""
    untaxed = applied.number("nonTaxDiscountAmount")
    return applied.money("discountAmount") if untaxed is None else untaxed


def _bill(check: Fields) -> list[dict[str, Any]]:
    charges = [_charge(each) for each in check.each("appliedServiceCharges")]
    tax = entry("tax", check.money("taxAmount"))
    return entries(*_check_discounts(check), *charges, tax)


def _check_discounts(check: Fields) -> list[dict[str, Any]]:
    """The discounts of the check. Its selections' prices are reduced by them already, so what the
    prices say counts: the check's own list only names it."""
    reduced = ZERO
    for selection in check.each("selections"):
        if not selection.flag("voided"):
            own = _own_discounts(selection)
            reduced += _gross(selection) - selection.money("price") - own
    named = [
        entry("discount", _discount(each), name=each.name("name"))
        for each in check.each("appliedDiscounts")
    ]
    if sum((Decimal(each["amount"]) for each in named), ZERO) == reduced:
        return named
    return [entry("discount", max(reduced, ZERO), name="; ".join(_names(named))[:200])]


def _names(found: Sequence[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in found if "name" in each]


def _charge(charge: Fields) -> dict[str, Any]:
    amount, name = charge.money("chargeAmount"), charge.name("name")
    if charge.text("serviceChargeCategory") == "CASH_ROUNDING":
        return entry("rounding", amount, name=name)
    if charge.flag("gratuity"):
        code = "gratuity"
    elif charge.text("serviceChargeCategory") == "CREDIT_CARD_SURCHARGE":
        code = "surcharge"
    else:
        code = "delivery" if charge.flag("delivery") else "service"
    return entry("charge", amount, name=name, code=code)


# Payments and refunds


def _payment(statement: Statement, payment: Fields, check: Fields) -> Iterator[Translated]:
    identity = payment.id("guid")
    status = payment.one_of("paymentStatus", _PAID, "completed")
    yield statement.payment(
        identity,
        payment.money("amount"),
        tender=payment.one_of("type", _TENDERS),
        tip=payment.money("tipAmount") or None,
        given=payment.number("amountTendered"),
        status="cancelled" if payment.has("voidInfo") else status,
        fee=abs(payment.money("originalProcessingFee")) or None,
        business_day=payment.day("paidBusinessDate"),
    )
    refund = payment.part("refund")
    if refund.has("refundAmount"):
        transaction = refund.part("refundTransaction").id_or_none("guid")
        yield statement.refund(
            f"{identity}-{transaction or 'refund'}"[:100],
            refund.money("refundAmount"),
            payment_id=identity,
            tip=refund.money("tipRefundAmount") or None,
            lines=_returned(check, transaction),
            business_day=refund.day("refundBusinessDate"),
        )


def _returned(check: Fields, transaction: str) -> list[dict[str, Any]]:
    """The selections that this refund returned, with their tax."""
    found = []
    for selection in check.each("selections"):
        returned = selection.part("refundDetails")
        same = returned.part("refundTransaction").id_or_none("guid") == transaction
        if transaction and same and returned.has("refundAmount"):
            amount = returned.money("refundAmount") + returned.money("taxRefundAmount")
            if amount < 0:
                raise returned.wrong("refundAmount", "an amount that is not negative")
            found.append(
                {
                    "line_id": selection.id_or_none("guid"),
                    "amount": written(amount),
                    "name": selection.name("displayName"),
                }
            )
    return found
