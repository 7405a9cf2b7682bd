"""Square (Block): point of sale, payments, orders of its API.

Events about orders name only ids, so the order is fetched; events about payments and refunds are
whole. An order of the Point of Sale app has no events of its own: it is known by its payment.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from neural.hooks.platforms.amounts import QUANTITY_PLACES, digest, digits_of, rounded, written
from neural.hooks.platforms.base import (
    API_URL,
    Asked,
    CannotTranslate,
    Client,
    Credential,
    Credentials,
    Listed,
    Page,
    Platform,
    Push,
    Received,
    Signed,
    Translated,
    base64_hmac,
    gettext_noop,
    needed,
)
from neural.hooks.platforms.normal_events import (
    ZERO,
    Statement,
    amount_of,
    entries,
    entry,
    event,
    line,
)
from neural.hooks.platforms.reading import (
    Fields,
    json_of,
    pushed_object,
)

API_VERSION = "2025-01-23"

_STATES = {"OPEN": "open", "COMPLETED": "closed", "CANCELED": "cancelled"}
_PROGRESS = {"RESERVED": "accepted", "PREPARED": "ready", "COMPLETED": "ready"}
"""The states of the fulfillment of an open order: one that is handed over may not be paid yet."""
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
_TENDERS = {"CARD": "card", "CASH": "cash", "THIRD_PARTY_CARD": "card"}
_TENDERS |= {"SQUARE_GIFT_CARD": "stored_value"}
_CAPTURED = {"AUTHORIZED": "pending", "VOIDED": "cancelled", "FAILED": "failed"}
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
    ids_are_unique = True
    credentials = (
        Credential(name="signature_key", label=gettext_noop("Signature key of the subscription")),
        Credential(name="access_token", label=gettext_noop("Access token"), required=False),
        API_URL,
    )
    api = "https://connect.squareup.com"
    resent_for = 72 * 3600.0  # 24 hours; an older copy of its documents says 72
    listing_needs = ("access_token",)
    documents = (
        "https://developer.squareup.com/docs/webhooks/step3validate",
        "https://developer.squareup.com/docs/webhooks/troubleshooting",
        "https://developer.squareup.com/reference/square/orders-api/webhooks",
        "https://developer.squareup.com/docs/orders-api/order-returns-exchanges",
        "https://developer.squareup.com/docs/orders-api/price-adjustments",
        "https://github.com/square/connect-api-specification/blob/master/api.json",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed:
        message = request.url.encode("utf-8", "backslashreplace") + request.body
        return Signed(
            given=request.headers.get("x-square-hmacsha256-signature"),
            right=[base64_hmac(needed(credentials, "signature_key"), message)],
            at=lambda: Fields(json_of(request.body)).instant("created_at"),
        )

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
        if pushed.topic == "refund" and pushed.thing and pushed.thing.has("payment_id"):
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
        return client.get(self.api_of(credentials) + path, headers=_headers(token))

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """The orders that changed, then the payments, then the refunds."""
        kind, _, cursor = asked.page.partition(" ")
        kind = kind or "orders"
        answer = _ask_list(kind, asked, cursor, self.api_of(credentials), credentials, client)
        found = Fields(answer, "the answer of Square")
        cursor = found.text("cursor", 2000)
        after = kind if cursor else _AFTER[kind]
        return Page(
            listed=[_listed(kind, each) for each in found.each(kind)],
            following=f"{after} {cursor}" if after else "",
        )

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = _Event(push.body)
        if pushed.thing is None:
            return []
        fetched = Fields(details or {}, "details")
        if pushed.topic == "order":
            return list(_order(fetched.at("order")))
        if pushed.topic == "payment":
            order = _order(fetched.at("order")) if fetched.has("order") else ()
            return [*self.translate_alone(push), *order]
        if pushed.topic == "refund":
            return [_refund(pushed.thing, fetched)]
        return list(_stock(pushed))

    def translate_alone(self, push: Push) -> Sequence[Translated]:
        pushed = _Event(push.body)
        return [_payment(pushed.thing)] if pushed.topic == "payment" and pushed.thing else []


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


# Lists

PAGE = 100
"""So that a page is well below what is read of an answer."""
_AFTER = {"orders": "payments", "payments": "refunds", "refunds": ""}


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Square-Version": API_VERSION}


def _ask_list(
    kind: str, asked: Asked, cursor: str, api: str, credentials: Credentials, client: Client
) -> Any:
    """A page of what changed in this time; both of its ends count, and the order of the answers is
    that of the changes."""
    headers = _headers(credentials["access_token"])
    start, end = asked.start.isoformat(), asked.end.isoformat()
    more = {"cursor": cursor} if cursor else {}
    if kind == "orders":
        query = {
            "filter": {"date_time_filter": {"updated_at": {"start_at": start, "end_at": end}}},
            "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
        }
        body = {"location_ids": [asked.store_code], "limit": PAGE, "query": query, **more}
        return client.post(f"{api}/v2/orders/search", json=body, headers=headers)
    times = {"updated_at_begin_time": start, "updated_at_end_time": end, "sort_field": "UPDATED_AT"}
    fields = {**times, "sort_order": "ASC", "location_id": asked.store_code, "limit": PAGE, **more}
    return client.get(f"{api}/v2/{kind}?{urlencode(fields)}", headers=headers)


def _listed(kind: str, thing: Fields) -> Listed:
    """As an event of its change. The payment of a refund is fetched, as it is for a push."""
    topic = kind.removesuffix("s")
    location = thing.id_or_none("location_id")
    content = {topic: thing.value}
    if topic == "order":
        content = {"order_updated": {"order_id": thing.id("id"), "location_id": location}}
    push = Push(
        push_id=f"listed:{thing.id('id')}:{digest(thing.value)}",
        body={"type": f"{topic}.updated", "data": {"object": content}},
        store_code=location,
    )
    details = {"order": {"order": thing.value}, "payment": {}, "refund": None}
    return Listed(push=push, details=details[topic])


# Orders


def _order(order: Fields) -> Iterator[Translated]:
    """The order as it stands. None for a draft, and for an order that only returns another one:
    the refund tells that."""
    if order.text("state") == "DRAFT" or (order.has("returns") and not order.has("line_items")):
        return
    currency = _currency(order.part("total_money"))
    money = _Money(digits_of(currency))
    status = order.one_of("state", _STATES)
    fulfillments = order.each("fulfillments")
    if status == "open" and fulfillments:
        status = _PROGRESS.get(fulfillments[0].text("state"), status)
    statement = Statement(
        till="square",
        order_id=order.id("id"),
        at=order.instant("updated_at", "created_at"),
        version=_version(order),
        status=status,
    )
    lines = [each for item in order.each("line_items") for each in _lines(item, money)]
    returned, value = _returned(order, money)
    sale = money(order, "total_money") - money(order, "total_tip_money")
    yield statement.order(
        [*lines, *returned],
        bill=_bill(order, money),
        # In an exchange for something cheaper, a refund tells the rest.
        total=max(ZERO, sale - value) if value else sale,
        currency=currency,
        ticket=order.text("ticket_name"),
        member=order.text("customer_id"),
        placed_at=order.moment("created_at"),
        closed_at=order.moment("closed_at"),
        **_fulfillment(order),
    )
    for tender in order.each("tenders"):
        if tender.text("type") != "NO_SALE":
            yield _tendered(tender, order, money)


def _tendered(tender: Fields, order: Fields, money: "_Money") -> Translated:
    """The payment that an order names. It says less than the payment's own event, and is older:
    that has a time when it was changed, which is a longer number than a version."""
    kind, tip = tender.text("type"), money(tender, "tip_money")
    at = (tender if tender.has("created_at") else order).instant("created_at", "updated_at")
    version = _version(order) or 0
    statement = Statement(till="square", order_id=order.id("id"), at=at, version=version)
    return statement.payment(
        tender.id_or_none("payment_id") or tender.id("id"),
        money(tender, "amount_money") - tip,
        currency=_currency(tender.part("amount_money")),
        tender=_TENDERS.get(kind, "other" if kind else ""),
        tip=tip or None,
        given=money(tender.part("cash_details"), "buyer_tendered_money") or None,
        status=_CAPTURED.get(tender.part("card_details").text("status"), "completed"),
        fee=max(money(tender, "processing_fee_money"), ZERO) or None,
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
        return self.stated(fields, name) or ZERO

    def stated(self, fields: Fields, name: str) -> Decimal | None:
        return fields.part(name).cents_or_none("amount", self.digits)


def _currency(money: Fields) -> str:
    code = money.text("currency")
    if code and not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise money.wrong("currency", "a code of three letters")
    return code


def _line(item: Fields, money: _Money, amount: str, **more: Any) -> dict[str, Any]:
    """Its amount is the one that Square states, because Square rounds half to even
    (developer.squareup.com/docs/orders-api/price-adjustments)."""
    variation = item.text("variation_name")
    return line(
        line_id=item.id_or_none("uid"),
        dish=item.id_or_none("catalog_object_id"),
        name=item.name("name") or variation or "custom amount",
        quantity=item.quantity("quantity"),
        price=money(item, "base_price_money"),
        amount=money.stated(item, amount),
        role="deferred" if item.text("item_type") == "GIFT_CARD" else "item",
        options=[variation] if variation and item.has("name") else [],
        note=item.note("note"),
        **more,
    )


def _lines(item: Fields, money: _Money) -> Iterator[dict[str, Any]]:
    """A line and its modifiers. Discounts and taxes are in the order's own lists, once."""
    yield _line(item, money, "variation_total_price_money")
    for modifier in item.each("modifiers"):
        each = modifier.quantity("quantity", 1)
        yield line(
            line_id=modifier.id_or_none("uid"),
            dish=modifier.id_or_none("catalog_object_id"),
            name=modifier.name("name") or "modifier",
            quantity=rounded(item.quantity("quantity") * each, QUANTITY_PLACES),
            price=money(modifier, "base_price_money"),
            # Documented as the price times the quantity of the line, not of the modifier.
            amount=money.stated(modifier, "total_price_money") if each == 1 else None,
            role="modifier",
            parent=item.id_or_none("uid"),
        )


def _returned(order: Fields, money: _Money) -> tuple[list[dict[str, Any]], Decimal]:
    """What an exchange takes back of earlier orders, and its value with discounts and taxes, but
    without tips."""
    items = (item for each in order.each("returns") for item in each.each("return_line_items"))
    lines = [_line(item, money, "total_money", state="returned") for item in items]
    known, amounts = sum(map(amount_of, lines), ZERO), order.part("return_amounts")
    value = money(amounts, "total_money") - money(amounts, "tip_money")
    if value > known:  # service charges and rounding
        rest = value - known
        lines.append(line(name="others", quantity=Decimal(1), price=rest, state="returned"))
    return lines, max(value, known)


def _bill(order: Fields, money: _Money) -> list[dict[str, Any]]:
    def applied(kind: str, each: Fields, **more: Any) -> dict[str, Any]:
        more |= {"name": each.name("name"), "rate": each.rate("percentage")}
        return entry(kind, money(each, "applied_money"), **more)

    def code(charge: Fields) -> str:
        return "gratuity" if charge.text("type") == "AUTO_GRATUITY" else "service"

    return entries(
        *(applied("discount", each) for each in order.each("discounts")),
        *(applied("charge", each, code=code(each)) for each in order.each("service_charges")),
        *(
            applied("tax", each, included=each.text("type") == "INCLUSIVE")
            for each in order.each("taxes")
        ),
        entry("rounding", money(order.part("rounding_adjustment"), "amount_money")),
    )


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


def _refund(refund: Fields, fetched: Fields) -> Translated:
    """The refund's own order_id may be that of the return, so the sale's is the payment's. One that
    is linked to no payment has, without an order_id, an order of its own, which is marked."""
    currency, payment_id = _currency(refund.at("amount_money")), refund.id_or_none("payment_id")
    order_id = refund.id_or_none("order_id") or refund.id("id")
    if payment_id:
        payment = fetched.at("payment")
        order_id = payment.id("order_id")
        if payment.id("id") != payment_id:
            raise CannotTranslate("details.payment is another payment than the refund's")
    return _statement(refund, order_id).refund(
        refund.id("id"),
        _Money(digits_of(currency))(refund, "amount_money"),
        payment_id=payment_id,
        # That of a payment is known from it.
        tender="" if payment_id else _TENDERS.get(refund.text("destination_type"), "other"),
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
        item = count.id("catalog_object_id")
        level = count.number("quantity", QUANTITY_PLACES) or ZERO
        kind = "item.available" if level > 0 else "item.sold_out"
        yield event(kind, item, {"dish": item, "till": "square"}, at=at)
        yield event("inventory.updated", item, {"item": item, "level": written(level)}, at=at)
