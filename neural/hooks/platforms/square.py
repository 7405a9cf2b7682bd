"""Square (Block): point of sale, payments, orders of its API.

Events about orders name only ids, so the order is fetched; events about payments and refunds are
whole. An order of the Point of Sale app has no events of its own: it is known by its payment.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from neural.hooks.platforms.amounts import digits_of, rounded, written
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
from neural.hooks.platforms.reading import (
    Fields,
    json_of,
    pushed_object,
)
from neural.hooks.platforms.stating import ZERO, Statement, entries, entry, event, line

API_VERSION = "2025-01-23"
RESENT_FOR = 72 * 3600.0
"""Square sends an event again for 24 hours; an older copy of its documents says 72."""

_STATES = {"OPEN": "open", "COMPLETED": "closed", "CANCELED": "cancelled"}
_CHANNELS = {"PICKUP": "takeaway", "DELIVERY": "delivery", "SHIPMENT": "delivery"}
_PAID = {
    "APPROVED": "pending",
    "PENDING": "pending",
    "COMPLETED": "completed",
    "CANCELED": "cancelled",
    "FAILED": "failed",
}
_REFUNDED = {
    "PENDING": "pending",
    "COMPLETED": "completed",
    "REJECTED": "failed",
    "FAILED": "failed",
}
_TENDERS = {"CARD": "card", "CASH": "cash"}
_WALLETS = {"ALIPAY": "alipay", "WECHAT_PAY": "wechat"}
_EXTERNAL = {
    "CARD": "card",
    "OTHER_GIFT_CARD": "stored_value",
    "STORED_BALANCE": "stored_value",
    "FOOD_VOUCHER": "voucher",
}


class Square(Platform):
    """Webhooks of a Square application."""

    name = "square"
    label = "Square"
    credentials = (
        Credential(name="signature_key", label=gettext_noop("Signature key of the subscription")),
        Credential(name="access_token", label=gettext_noop("Access token"), required=False),
        API_URL,
    )
    api = "https://connect.squareup.com"
    documents = (
        "https://developer.squareup.com/docs/webhooks/step3validate",
        "https://developer.squareup.com/docs/webhooks/troubleshooting",
        "https://developer.squareup.com/reference/square/orders-api/webhooks",
        "https://github.com/square/connect-api-specification/blob/master/api.json",
    )

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        signed = request.url.encode("utf-8", "backslashreplace") + request.body
        right = base64_hmac(needed(credentials, "signature_key"), signed)
        must_match(request.headers.get("x-square-hmacsha256-signature"), right)
        must_be_timely(_created(request), now=now, tolerance=tolerance, resent_for=RESENT_FOR)

    def read(self, request: Received) -> Push:
        with pushed_object(request) as pushed:
            return Push(
                push_id=pushed.id("event_id"),
                body=pushed.value,
                store_code=_location(_Event(pushed.value)),
                occurred_at=pushed.instant("created_at"),
            )

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        pushed = _Event(push.body)
        if pushed.topic == "refund" and pushed.thing:
            path = f"/v2/payments/{quote(pushed.thing.id('payment_id'), safe='')}"
        elif pushed.topic in ("order", "payment") and pushed.thing and pushed.order_id:
            path = f"/v2/orders/{quote(pushed.order_id, safe='')}"
        else:
            return None
        token = credentials.get("access_token")
        if not token and pushed.topic == "payment":
            return None  # it is whole; only the order of a sale at the till is not known then
        if not token:
            raise CannotTranslate(
                "Square sends ids alone: enter an access token with ORDERS_READ and PAYMENTS_READ "
                "in the source"
            )
        headers = {"Authorization": f"Bearer {token}", "Square-Version": API_VERSION}
        return client.get(self.api_of(credentials) + path, headers=headers)

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = _Event(push.body)
        if pushed.thing is None:
            return []
        fetched = Fields(details or {}, "details")
        if pushed.topic == "order":
            return list(_order(fetched.at("order")))
        if pushed.topic == "payment":
            order = _order(fetched.at("order")) if fetched.has("order") else ()
            return [_payment(pushed.thing), *order]
        if pushed.topic == "refund":
            return [_refund(pushed.thing, fetched.at("payment"))]
        return list(_stock(pushed))


_TOPICS = {
    "order.created": ("order", "order_created"),
    "order.updated": ("order", "order_updated"),
    "order.fulfillment.updated": ("order", "order_fulfillment_updated"),
    "payment.created": ("payment", "payment"),
    "payment.updated": ("payment", "payment"),
    "refund.created": ("refund", "refund"),
    "refund.updated": ("refund", "refund"),
    "inventory.count.updated": ("stock", ""),
}


class _Event:
    """An event and the object that it is about; ``thing`` is None for one of no interest."""

    def __init__(self, body: Any) -> None:
        self.all = Fields(body)
        if not self.all.has("type"):
            raise self.all.wrong("type", "the type of an event")
        self.topic, field = _TOPICS.get(self.all.text("type"), ("", ""))
        self.thing: Fields | None = None
        if self.topic:
            content = self.all.at("data").at("object")
            self.thing = content.at(field) if field else content
        self.order_id = self.thing.id_or_none("order_id") if self.thing else ""


def _location(pushed: _Event) -> str:
    if pushed.thing is None:
        return ""
    if pushed.topic == "stock":
        return next((each.id_or_none("location_id") for each in _counts(pushed)), "")
    return pushed.thing.id_or_none("location_id")


def _created(request: Received) -> dt.datetime | None:
    try:
        return Fields(json_of(request.body)).instant("created_at")
    except (PushUnreadable, CannotTranslate):
        raise SignatureRefused("the body has no created_at that can be read") from None


# Orders


def _order(order: Fields) -> Iterator[Translated]:
    """The order as it stands. None for a draft, and for an order that only returns another one:
    the refund tells that."""
    if order.text("state") == "DRAFT" or (order.has("returns") and not order.has("line_items")):
        return
    currency = _currency(order.part("total_money"))
    money = _Money(digits_of(currency))
    status = order.one_of("state", _STATES)
    statement = Statement(
        till="square",
        order_id=order.id("id"),
        at=order.instant("updated_at", "created_at"),
        version=_version(order),
        status=status,
    )
    yield statement.order(
        [each for item in order.each("line_items") for each in _lines(item, money)],
        bill=_bill(order, money),
        total=money(order, "total_money") - money(order, "total_tip_money"),
        currency=currency,
        ticket=order.text("ticket_name"),
        member=order.text("customer_id"),
        placed_at=order.moment("created_at"),
        closed_at=order.moment("closed_at"),
        **_fulfillment(order),
    )


def _version(order: Fields) -> int | None:
    version = order.integer("version")
    if version is not None and not 0 <= version < 10**10:
        raise order.wrong("version", "a number of up to ten digits")
    return version


class _Money:
    """Reads ``{"amount": 100, "currency": "USD"}``, which is in the smallest unit."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def __call__(self, fields: Fields, name: str) -> Decimal:
        return fields.part(name).cents("amount", self.digits)


def _currency(money: Fields) -> str:
    code = money.text("currency")
    if code and not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise money.wrong("currency", "a code of three letters")
    return code


def _lines(item: Fields, money: _Money) -> Iterator[dict[str, Any]]:
    """A line and its modifiers. Discounts and taxes are in the order's own lists, once."""
    quantity = item.quantity("quantity")
    uid = item.id_or_none("uid")
    custom = item.text("item_type")
    variation = item.text("variation_name")
    yield line(
        line_id=uid,
        dish=item.id_or_none("catalog_object_id"),
        name=item.name("name") or variation or "custom amount",
        quantity=quantity,
        price=money(item, "base_price_money"),
        role="deferred" if custom == "GIFT_CARD" else "item",
        options=[variation] if variation and item.has("name") else [],
        note=item.note("note"),
    )
    for modifier in item.each("modifiers"):
        yield line(
            line_id=modifier.id_or_none("uid"),
            dish=modifier.id_or_none("catalog_object_id"),
            name=modifier.name("name") or "modifier",
            quantity=rounded(quantity * modifier.quantity("quantity", 1)),
            price=money(modifier, "base_price_money"),
            role="modifier",
            parent=uid,
        )


def _bill(order: Fields, money: _Money) -> list[dict[str, Any]]:
    found = [
        entry(
            "discount",
            money(each, "applied_money"),
            name=each.name("name"),
            rate=each.rate("percentage"),
        )
        for each in order.each("discounts")
    ]
    for charge in order.each("service_charges"):
        tip = charge.text("type") == "AUTO_GRATUITY"
        found.append(
            entry(
                "charge",
                money(charge, "applied_money"),
                name=charge.name("name"),
                code="gratuity" if tip else "service",
                rate=charge.rate("percentage"),
            )
        )
    for tax in order.each("taxes"):
        found.append(
            entry(
                "tax",
                money(tax, "applied_money"),
                name=tax.name("name"),
                rate=tax.rate("percentage"),
                included=tax.text("type") == "INCLUSIVE",
            )
        )
    rounding = money(order.part("rounding_adjustment"), "amount_money")
    return entries(*found, entry("rounding", rounding))


def _fulfillment(order: Fields) -> dict[str, Any]:
    for each in order.each("fulfillments"):
        pickup, delivery = each.part("pickup_details"), each.part("delivery_details")
        return {
            "channel": _CHANNELS.get(each.text("type"), ""),
            "promised_at": pickup.moment("pickup_at") or delivery.moment("deliver_at"),
        }
    return {}


# Payments and refunds


def _payment(payment: Fields) -> Translated:
    currency = _currency(payment.at("amount_money"))
    money = _Money(digits_of(currency))
    fees = (money(each, "amount_money") for each in payment.each("processing_fee"))
    cash = payment.part("cash_details")
    return _statement(payment, payment.id("order_id")).payment(
        payment.id("id"),
        money(payment, "amount_money"),
        currency=currency,
        tender=_tender(payment),
        tip=money(payment, "tip_money") or None,
        given=money(cash, "buyer_supplied_money") or None,
        status=payment.one_of("status", _PAID),
        # A fee that is given back later is an entry of its own, below zero.
        fee=max(sum(fees, ZERO), ZERO) or None,
    )


def _tender(payment: Fields) -> str:
    kind = payment.text("source_type")
    if kind == "CARD":
        brand = payment.part("card_details").part("card").text("card_brand")
        return "stored_value" if brand == "SQUARE_GIFT_CARD" else "card"
    if kind == "WALLET":
        return _WALLETS.get(payment.part("wallet_details").text("brand"), "other")
    if kind == "EXTERNAL":
        return _EXTERNAL.get(payment.part("external_details").text("type"), "other")
    return _TENDERS.get(kind, "other" if kind else "")


def _refund(refund: Fields, payment: Fields) -> Translated:
    """The refund's own order_id may be that of the return, so the sale's is the payment's."""
    currency = _currency(refund.at("amount_money"))
    if payment.id("id") != refund.id("payment_id"):
        raise CannotTranslate("details.payment is another payment than the refund's")
    return _statement(refund, payment.id("order_id")).refund(
        refund.id("id"),
        _Money(digits_of(currency))(refund, "amount_money"),
        payment_id=refund.id("payment_id"),
        currency=currency,
        status=refund.one_of("status", _REFUNDED),
        reason=refund.note("reason"),
    )


def _statement(thing: Fields, order_id: str) -> Statement:
    at = thing.instant("updated_at", "created_at")
    return Statement(till="square", order_id=order_id, at=at)


# Stock


def _counts(pushed: _Event) -> list[Fields]:
    return pushed.thing.each("inventory_counts") if pushed.thing else []


def _stock(pushed: _Event) -> Iterator[Translated]:
    """Square states absolute counts of what is for sale, in the store that the push belongs to."""
    location = _location(pushed)
    for count in _counts(pushed):
        if count.text("state") != "IN_STOCK" or count.id_or_none("location_id") != location:
            continue
        at = count.instant("calculated_at")
        item, level = count.id("catalog_object_id"), count.money("quantity")
        kind = "item.available" if level > 0 else "item.sold_out"
        yield event(kind, item, {"dish": item, "till": "square"}, at=at)
        yield event("inventory.updated", item, {"item": item, "level": written(level)}, at=at)
