"""Deliverect: one door to many delivery platforms. Its pushes hold the whole order."""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from neural.hooks.platforms.amounts import digest, rounded
from neural.hooks.platforms.base import (
    CannotTranslate,
    Credential,
    Credentials,
    Platform,
    Push,
    Received,
    Translated,
    gettext_noop,
    hmac_sha256,
    must_match,
    needed,
)
from neural.hooks.platforms.reading import (
    Fields,
    last_digits,
    pushed_object,
)
from neural.hooks.platforms.stating import ZERO, Statement, entries, entry, line

DEEPEST_ITEM = 8

_STATUSES = {
    **dict.fromkeys((1, 2, 3, 4, 6, 10), "open"),
    **dict.fromkeys((20, 40), "accepted"),
    **dict.fromkeys((50, 60), "preparing"),
    70: "ready",
    80: "delivering",
    **dict.fromkeys((90, 95), "closed"),
    **dict.fromkeys((35, 120, 121, 124), "rejected"),
    **dict.fromkeys((100, 110), "cancelled"),
}
_CHANNELS = {1: "takeaway", 2: "delivery", 3: "dine_in", 4: "takeaway"}
_PLATFORMS = {10: "skip", 12: "doordash", 25: "rappi", 39: "ifood", 102: "thuisbezorgd"}
"""The codes of ordering platforms that we have seen. Another one is called like channel-7."""
_TENDERS = {
    **dict.fromkeys((0, 4, 5, 8), "card"),
    1: "cash",
    3: "platform",
    **dict.fromkeys((6, 7), "voucher"),
}
_CHARGES = {"deliveryCost": "delivery", "serviceCharge": "service", "bagFee": "bag"}


class Deliverect(Platform):
    """Webhooks of Deliverect: orders and their statuses."""

    name = "deliverect"
    label = "Deliverect"
    credentials = (Credential(name="secret", label=gettext_noop("HMAC secret")),)
    documents = (
        "https://developers.deliverect.com/reference/hmac-authentication",
        "https://developers.deliverect.com/v2.0/reference/pos_ordercancel",
        "https://developers.deliverect.com/v1.1-restaurants/reference/store-api_order_status_event",
        "https://developers.deliverect.com/docs/how-are-discounts-sent",
        "https://developers.deliverect.com/page/glossary-pos-orders",
        "https://developers.deliverect.com/page/get-integrated-channels",
    )

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        # No time is signed, so that only the id of a push tells a replay.
        right = hmac_sha256(needed(credentials, "secret"), request.body).hex()
        given = request.headers.get("x-server-authorization-hmac-sha256", "")
        must_match(given.lower(), right)

    def read(self, request: Received) -> Push:
        with pushed_object(request) as pushed:
            order_id = pushed.id_or_none("_id") or pushed.id_or_none("orderId")
            changed = pushed.moment("_updated") or pushed.moment("timeStamp")
            return Push(
                push_id=f"{order_id}:{digest(pushed.value)}",
                body=pushed.value,
                store_code=pushed.id_or_none("location"),
                occurred_at=changed if changed and changed.tzinfo else None,
            )

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = Fields(push.body)
        if pushed.has("orderId") and pushed.has("status"):
            return [_status(pushed)]
        if pushed.has("_id") and "items" in pushed.value:
            return list(_order(pushed))
        return []


def _status(pushed: Fields) -> Translated:
    statement = Statement(
        till="deliverect",
        order_id=pushed.id("orderId"),
        at=pushed.instant("timeStamp"),
        status=pushed.one_of("status", _STATUSES),
    )
    return statement.status_change(reason=pushed.note("reason"))


def _order(order: Fields) -> Iterator[Translated]:
    digits = order.integer("decimalDigits")
    digits = 2 if digits is None else digits
    if not 0 <= digits <= 3:
        raise order.unknown("decimalDigits", (0, 1, 2, 3))
    statement = Statement(
        till="deliverect",
        order_id=order.id("_id"),
        at=order.instant("_updated"),
        status=order.one_of("status", _STATUSES),
    )
    lines = [each for item in order.each("items") for each in _lines(item, digits)]
    money = _Money(order, lines, digits)
    yield statement.order(
        lines,
        bill=money.bill,
        total=money.total,
        channel=order.one_of("orderType", _CHANNELS),
        platform=_platform(order),
        platform_number=order.text("channelOrderId"),
        ticket=order.text("channelOrderDisplayId"),
        table=order.text("table"),
        guests=order.guests("numberOfCustomers"),
        placed_at=order.moment("placedTime") or order.moment("_created"),
        promised_at=order.moment("deliveryTime") or order.moment("pickupTime"),
        note=order.note("note"),
        phone_last4=last_digits(order.part("customer").text("phoneNumber")),
    )
    if order.flag("orderIsAlreadyPaid") and money.total is not None:
        tender = order.part("payment").integer("type")
        yield statement.payment(
            f"{statement.order_id[:90]}-payment",
            money.total,
            tender="" if tender is None else _TENDERS.get(tender, "other"),
            tip=money.tip or None,
        )


def _platform(order: Fields) -> str:
    code = order.integer("channel")
    return "" if code is None else _PLATFORMS.get(code, f"channel-{code:d}"[:100])


def _lines(
    item: Fields, digits: int, times: Decimal = Decimal(1), parent: str = "", depth: int = 1
) -> Iterator[dict[str, Any]]:
    """An item and what was chosen for it. The quantity of a choice is for one piece."""
    if depth > DEEPEST_ITEM:
        raise CannotTranslate(f"items are nested deeper than {DEEPEST_ITEM} levels")
    quantity = rounded(times * item.quantity("quantity", 1))
    line_id = item.place
    yield line(
        line_id=line_id[:100],
        dish=item.id_or_none("plu"),
        name=item.name("name"),
        quantity=quantity,
        price=item.cents("price", digits),
        role="modifier" if parent else "item",
        parent=parent[:100],
        note=item.note("remark"),
    )
    for choice in item.each("subItems"):
        yield from _lines(choice, digits, quantity, line_id, depth + 1)


class _Money:
    """The sums of an order.

    Deliverect does not say whether taxes are part of the prices, nor whether a tip is part of
    ``payment.amount``. What adds up to that amount is taken for right.
    """

    def __init__(self, order: Fields, lines: Sequence[dict[str, Any]], digits: int) -> None:
        self.tip = order.cents("tip", digits) + order.cents("driverTip", digits)
        discounts = _discounts(order, digits)
        charges = [
            entry("charge", order.cents(name, digits), code=code) for name, code in _CHARGES.items()
        ]
        tax = order.cents("taxTotal", digits)
        untaxed = sum((Decimal(each["quantity"]) * Decimal(each["price"]) for each in lines), ZERO)
        untaxed += sum((Decimal(each["amount"]) for each in charges), ZERO)
        untaxed -= sum((Decimal(each["amount"]) for each in discounts), ZERO)
        amount = order.part("payment").cents_or_none("amount", digits)
        self.total, added = self._explained(amount, untaxed, tax)
        self.bill = entries(
            *discounts, *charges, entry("tax", tax, included=not added, name=_tax_names(order))
        )

    def _explained(
        self, amount: Decimal | None, untaxed: Decimal, tax: Decimal
    ) -> tuple[Decimal | None, bool]:
        """The total without the tip, and whether the tax is added to the prices."""
        if amount is None:
            return None, False
        for tip in (ZERO, self.tip):
            for added in (False, True):
                if untaxed + (tax if added else ZERO) + tip == amount:
                    return amount - tip, added
        return amount, False


def _tax_names(order: Fields) -> str:
    return "; ".join(each.name("name") for each in order.each("taxes"))[:200]


def _discounts(order: Fields, digits: int) -> list[dict[str, Any]]:
    """``discountTotal`` is negative. The list of discounts names them, if it is complete."""
    total = abs(order.cents("discountTotal", digits))
    named = [_discount(each, digits) for each in order.each("discounts")]
    if named and sum((Decimal(each["amount"]) for each in named), ZERO) == total:
        return named
    return [entry("discount", total)] if total else []


def _discount(each: Fields, digits: int) -> dict[str, Any]:
    amount = each.cents("amount", digits)
    borne = each.cents_or_none("amountChannel", digits)
    if borne is None:
        borne = amount if each.text("provider") == "channel" else ZERO
    return entry("discount", amount, platform=borne, name=each.name("name"))
