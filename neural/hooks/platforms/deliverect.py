"""Deliverect: one door to many delivery platforms. A push holds the whole order, and is sent once,
whatever it is answered.
"""

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from neural.hooks.platforms.amounts import QUANTITY_PLACES, digest, rounded
from neural.hooks.platforms.base import (
    Credential,
    Credentials,
    Platform,
    Push,
    Received,
    Signed,
    Translated,
    gettext_noop,
    hmac_sha256,
    needed,
)
from neural.hooks.platforms.normal_events import ZERO, Statement, entries, entry, line
from neural.hooks.platforms.reading import (
    Fields,
    last_digits,
    pushed_object,
)

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
_MONEY_BACK = (35, 100, 110)
"""Denied, to be cancelled, cancelled: what the guest paid goes back. An order that only failed (120
and above) may be taken by hand."""
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
    ids_are_unique = True
    sends_once = True
    credentials = (
        Credential(
            name="secret",
            label=gettext_noop("HMAC secret, or before there is one the channel link ids"),
        ),
    )
    documents = (
        "https://developers.deliverect.com/reference/hmac-authentication",
        "https://developers.deliverect.com/v1.1-restaurants/reference/store-api_new_order_event",
        "https://developers.deliverect.com/v1.1-restaurants/reference/store-api_order_status_event",
        "https://developers.deliverect.com/reference/order-cancellation",
        "https://developers.deliverect.com/docs/how-are-discounts-sent",
        "https://developers.deliverect.com/changelog/channel-generated-discounts",
        "https://developers.deliverect.com/page/glossary-pos-orders",
        "https://developers.deliverect.com/page/get-integrated-channels",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed:
        # No time is signed, so that only the id of a push tells a replay. A channel link id is
        # never taken from the body: anybody could sign with that.
        keys = needed(credentials, "secret").split()
        return Signed(
            given=request.headers.get("x-server-authorization-hmac-sha256", "").lower(),
            right=[hmac_sha256(key, request.body).hex() for key in keys],
        )

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
        if pushed.flag("isIgnoredPOSStatus"):
            return []  # sent by the till, but not applied to the order
        if pushed.has("orderId") and pushed.has("status"):
            return list(_status(pushed))
        if pushed.has("_id") and "items" in pushed.value:
            return list(_order(pushed))
        return []


def _status(pushed: Fields) -> Iterator[Translated]:
    """A status, which does not say what was paid. The payment of an order that was denied or
    cancelled is cancelled with it, here and where the order comes whole."""
    statement = Statement(
        till="deliverect",
        order_id=pushed.id("orderId"),
        at=pushed.instant("timeStamp"),
        status=pushed.one_of("status", _STATUSES),
    )
    yield statement.status_change(reason=pushed.note("reason"))
    if pushed.integer("status") in _MONEY_BACK:
        yield statement.payment(statement.only("payment"), ZERO, status="cancelled")


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
    code = order.integer("channel")
    yield statement.order(
        lines,
        bill=money.bill,
        total=money.total,
        channel=order.one_of("orderType", _CHANNELS),
        platform="" if code is None else _PLATFORMS.get(code, f"channel-{code:d}"[:100]),
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
            statement.only("payment"),
            money.total,
            tender="" if tender is None else _TENDERS.get(tender, "other"),
            tip=money.tip or None,
            status="cancelled" if order.integer("status") in _MONEY_BACK else "completed",
        )


def _lines(
    item: Fields, digits: int, times: Decimal = Decimal(1), parent: str = ""
) -> Iterator[dict[str, Any]]:
    """An item and what was chosen for it. The quantity of a choice is for one piece."""
    quantity = rounded(times * item.quantity("quantity", 1), QUANTITY_PLACES)
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
        yield from _lines(choice, digits, quantity, line_id)


class _Money:
    """The sums of an order.

    Deliverect does not say whether taxes are part of the prices, nor whether a tip is part of
    ``payment.amount``. What adds up to that amount is taken for right.

    ``payment.rebate`` is a discount of the channel: it pays out the amount, but the guest pays the
    rebate less (changelog/channel-generated-discounts). It counts once, also where the discounts
    name it.
    """

    def __init__(self, order: Fields, lines: Sequence[dict[str, Any]], digits: int) -> None:
        self.tip = order.cents("tip", digits) + order.cents("driverTip", digits)
        tax_names = "; ".join(each.name("name") for each in order.each("taxes"))
        total = abs(order.cents("discountTotal", digits))
        discounts = [_discount(each, digits) for each in order.each("discounts")]
        # The list of discounts names them, if it is complete.
        if sum((Decimal(each["amount"]) for each in discounts), ZERO) != total:
            discounts = [entry("discount", total)] if total else []
        charges = [
            entry("charge", order.cents(name, digits), code=code) for name, code in _CHARGES.items()
        ]
        tax = order.cents("taxTotal", digits)
        untaxed = sum((Decimal(each["quantity"]) * Decimal(each["price"]) for each in lines), ZERO)
        untaxed += sum((Decimal(each["amount"]) for each in charges), ZERO)
        untaxed -= sum((Decimal(each["amount"]) for each in discounts), ZERO)
        payment = order.part("payment")
        amount, rebate = (
            payment.cents_or_none("amount", digits),
            abs(payment.cents("rebate", digits)),
        )
        if sum((Decimal(each.get("platform", 0)) for each in discounts), ZERO) >= rebate:
            rebate = ZERO
        self.total, added = self._explained(amount, untaxed, tax, rebate)
        self.bill = entries(
            *discounts,
            entry("discount", rebate, platform=rebate, code="rebate"),
            *charges,
            entry("tax", tax, included=not added, name=tax_names[:200]),
        )

    def _explained(
        self, amount: Decimal | None, untaxed: Decimal, tax: Decimal, rebate: Decimal
    ) -> tuple[Decimal | None, bool]:
        """The total without tip and rebate, and whether the tax is added to the prices."""
        if amount is None:
            return None, False
        for tip, off in itertools.product((ZERO, self.tip), (ZERO, rebate)):
            for added in (False, True):
                if untaxed + (tax if added else ZERO) + tip - off == amount:
                    return amount - tip - (rebate - off), added
        return amount - rebate, False


def _discount(each: Fields, digits: int) -> dict[str, Any]:
    amount = abs(each.cents("amount", digits))
    borne = each.cents_or_none("amountChannel", digits)
    if borne is None:
        borne = amount if each.text("provider").lower() == "channel" else ZERO
    return entry("discount", amount, platform=abs(borne), name=each.name("name"))
