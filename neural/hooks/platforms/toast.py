"""Toast: point of sale of restaurants in North America and Great Britain.

A push holds the whole order. An order has one or more checks; they are one order here, whose
payments and lines are those of all checks.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from neural.hooks.platforms.amounts import digest, from_iso, piece_price, written
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
from neural.hooks.platforms.normal_events import ZERO, Statement, entries, entry, event, line
from neural.hooks.platforms.reading import Fields, json_of, pushed_object

PAGE = 20
"""Orders of a list: one may have many kilobytes."""

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
    ids_are_unique = True
    credentials = (
        Credential(name="secret", label=gettext_noop("Secret key of the webhook subscription")),
        Credential(name="client_id", label=gettext_noop("Client ID"), required=False, secret=False),
        Credential(name="client_secret", label=gettext_noop("Client secret"), required=False),
        API_URL,
    )
    api = "https://ws-api.toasttab.com"
    resent_for = 15 * 60.0  # again after 5 and after 10 minutes, and then never
    listing_needs = ("client_id", "client_secret")
    documents = (
        "https://doc.toasttab.com/doc/devguide/apiMessageSigning.html",
        "https://doc.toasttab.com/doc/devguide/apiMessageDataSchema.html",
        "https://doc.toasttab.com/doc/devguide/devOrdersWebhookRef.html",
        "https://doc.toasttab.com/doc/devguide/apiStockWebhook.html",
        "https://doc.toasttab.com/doc/devguide/apiRetrySupport.html",
        "https://doc.toasttab.com/openapi/orders/tag/Data-definitions/schema/Order",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed:
        timestamp = Fields(json_of(request.body)).text("timestamp")
        message = request.body + timestamp.encode("utf-8", "backslashreplace")
        return Signed(
            given=request.headers.get("toast-signature"),
            right=[base64_hmac(needed(credentials, "secret"), message)],
            at=lambda: from_iso(timestamp),
        )

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
        identity = details.part("order").id_or_none("guid") or details.id("orderGuid")
        order_id = quote(identity, safe="")
        headers = {
            "Authorization": f"Bearer {_token(address, credentials, client)}",
            _RESTAURANT: details.id_or_none("restaurantGuid") or push.headers.get(_RESTAURANT, ""),
        }
        return client.get(f"{address}/orders/v2/orders/{order_id}", headers=headers)

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """The orders that were made or changed, as Toast recommends. By their business day, the
        refund of an older order would not be found."""
        address, number = self.api_of(credentials), int(asked.page or 1)
        if "token" not in asked.shared:
            asked.shared["token"] = _token(address, credentials, client)
        fields = {
            "startDate": asked.start.isoformat(timespec="milliseconds"),
            "endDate": asked.end.isoformat(timespec="milliseconds"),
            "pageSize": PAGE,
            "page": number,
        }
        headers = {
            "Authorization": f"Bearer {asked.shared['token']}",
            _RESTAURANT: asked.store_code,
        }
        answer = client.get(f"{address}/orders/v2/ordersBulk?{urlencode(fields)}", headers=headers)
        orders = Fields({"orders": answer}, "the answer of Toast").each("orders")
        return Page(
            listed=[_listed(each, asked.store_code) for each in orders],
            following=str(number + 1) if len(orders) >= PAGE else "",
        )

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


def _listed(order: Fields, restaurant: str) -> Listed:
    details = {"restaurantGuid": restaurant, "order": order.value}
    push = Push(
        push_id=f"listed:{order.id('guid')}:{digest(order.value)}",
        body={"eventType": "order_updated", "details": details},
        store_code=restaurant,
    )
    return Listed(push=push)


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
    channel = "takeaway" if order.has("curbsidePickupInfo") else ""
    if order.has("deliveryInfo"):
        channel = "delivery"
    yield statement.order(
        lines,
        bill=[each for check in live for each in _bill(check)],
        total=sum((each.money("totalAmount") for each in live), ZERO),
        channel=channel,
        ticket=order.text("displayNumber")
        or next((each.text("displayNumber") for each in checks if each.has("displayNumber")), ""),
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


def _lines(selection: Fields, *, void: bool) -> Iterator[dict[str, Any]]:
    """A selection and its modifiers. Its price is that of all pieces with their modifiers, so the
    modifiers cost nothing here."""
    quantity = selection.quantity("quantity", 1)
    gross, discount = _gross(selection), _own_discounts(selection)
    uid = selection.id_or_none("guid")
    state = "void" if void or selection.flag("voided") else "sold"
    yield line(
        line_id=uid,
        dish=selection.part("item").id_or_none("guid"),
        name=selection.name("displayName") or "open item",
        quantity=quantity,
        price=piece_price(gross, quantity),
        discount=discount,
        amount=max(ZERO, gross - discount),
        state=state,
        role="deferred" if selection.flag("deferred") else "item",
        tax=abs(selection.money("tax")) or None,
    )
    yield from _modifiers(selection, uid, state)


def _modifiers(selection: Fields, parent: str, state: str) -> Iterator[dict[str, Any]]:
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
        yield from _modifiers(modifier, uid, state)


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
    reduced = ZERO
    for selection in check.each("selections"):
        if not selection.flag("voided"):
            own = _own_discounts(selection)
            reduced += _gross(selection) - selection.money("price") - own
    named = [
        entry("discount", _discount(each), name=each.name("name"))
        for each in check.each("appliedDiscounts")
    ]
    if sum((Decimal(each["amount"]) for each in named), ZERO) != reduced:
        # The prices are reduced already, so what they say counts: the check's own list only names
        # it.
        names = "; ".join([each["name"] for each in named if "name" in each])
        named = [entry("discount", max(reduced, ZERO), name=names[:200])]
    return entries(*named, *charges, tax)


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
    identity, amount, tip = payment.id("guid"), payment.money("amount"), payment.money("tipAmount")
    status = payment.one_of("paymentStatus", _PAID, "completed")
    # It is without the tip, and 0 where nothing was tendered.
    tendered = payment.money("amountTendered")
    yield statement.payment(
        identity,
        amount,
        tender=payment.one_of("type", _TENDERS),
        tip=tip or None,
        given=tendered + tip if tendered and tendered >= amount else None,
        status="cancelled" if payment.has("voidInfo") else status,
        fee=abs(payment.money("originalProcessingFee")) or None,
        business_day=payment.day("paidBusinessDate"),
    )
    refund = payment.part("refund")
    if refund.has("refundAmount"):
        transaction = _transaction(refund)
        yield statement.refund(
            f"{identity}-{transaction or 'refund'}"[:100],
            _refunded(refund.money("refundAmount"), check, transaction),
            payment_id=identity,
            tip=refund.money("tipRefundAmount") or None,
            lines=_returned(check, transaction),
            business_day=refund.day("refundBusinessDate"),
        )


def _refunded(stated: Decimal, check: Fields, transaction: str) -> Decimal:
    """The amount of one refund.

    A payment has one ``refund``, also after several. Toast does not say whether its amount is that
    of the last one or their sum (Orders API: schemas Payment, Refund and RefundDetails); it has
    the transaction of one. So it is the last one, unless it is what all transactions of the check
    returned by item.
    """
    of: dict[str, Decimal] = {}
    for part in (*check.each("selections"), *check.each("appliedServiceCharges")):
        returned = part.part("refundDetails")
        of[_transaction(returned)] = of.get(_transaction(returned), ZERO) + _with_tax(returned)
    own = of.get(transaction, ZERO)
    return own if own > 0 and stated == sum(of.values(), ZERO) else stated


def _transaction(refund: Fields) -> str:
    return refund.part("refundTransaction").id_or_none("guid")


def _with_tax(returned: Fields) -> Decimal:
    amount = returned.money("refundAmount") + returned.money("taxRefundAmount")
    if amount < 0:
        raise returned.wrong("refundAmount", "an amount that is not negative")
    return amount


def _returned(check: Fields, transaction: str) -> list[dict[str, Any]]:
    """The selections that this refund returned, with their tax."""
    found = ((each, each.part("refundDetails")) for each in check.each("selections"))
    return [
        {
            "line_id": selection.id_or_none("guid"),
            "amount": written(_with_tax(returned)),
            "name": selection.name("displayName"),
        }
        for selection, returned in found
        if transaction and _transaction(returned) == transaction and returned.has("refundAmount")
    ]
