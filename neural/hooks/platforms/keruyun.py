"""Keruyun (客如云): point of sale in China. Its pushes name orders alone and are not signed.

So the address has a secret, and nothing but ids is taken from a push: what the order is, is asked
of Keruyun's server.
"""

import datetime as dt
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from neural.hooks.platforms.amounts import digest, piece_price
from neural.hooks.platforms.base import (
    API_URL,
    Answer,
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
    gettext_noop,
    needed,
)
from neural.hooks.platforms.normal_events import ZERO, Statement, entries, entry, line
from neural.hooks.platforms.reading import (
    Fields,
    last_digits,
    pushed_object,
    query_of,
)

MOST_MERGED = 100
PAGE = 20
"""Orders of a list, each of which is fetched."""

_MERGED = 91
_REFUNDS = (19, 20)
_LISTED = 0
"""No operation of Keruyun's: the order was listed."""
_SIGNED = ("appKey", "shopIdenty", "brandId", "timestamp", "token", "version")
"""The parameters that a call signs, in this order."""
_STATUSES = {
    "WAIT_PROCESSED": "open",
    "ORDER_RECEIVED": "accepted",
    "SUCCESS": "closed",
    "WAIT_SETTLED": "open",
    "SETTLED": "closed",
    "REFUND": "closed",
    "CLOSED": "closed",
    "INVALID": "voided",
    "CANCELLED": "cancelled",
    "REJECTED": "rejected",
    "ANTI_SETTLED": "voided",
}
"""In the order of their numbers, which some pushes have instead: 1 to 11."""
_CODES = {str(number): name for number, name in enumerate(_STATUSES, start=1)}
_CHANNELS = {
    "FOR_HERE": "dine_in",
    "1": "dine_in",
    "PLATFORM_TAKE_OUT": "delivery",
    "2": "delivery",
    "SELF_TAKE_OUT": "delivery",
    "3": "delivery",
    "SELF_TAKE": "takeaway",
    "4": "takeaway",
}
_OF_PLATFORMS = ("PLATFORM_TAKE_OUT", "2")
_NO_SALES = ("MEMBER_STORE", "6", "MEMBER_MANUAL_STORE", "7", "REPAYMENT_ORDER", "8")
"""Top-ups of a card, and accounts that are paid: money, but nothing that was sold."""
_TENDERS = {
    -3: "cash",
    -4: "card",
    -37: "card",
    -5: "wechat",
    -6: "alipay",
    **dict.fromkeys((-1, -15, -20, -127), "stored_value"),
    -128: "on_account",
    **dict.fromkeys((-24, -36, 0), "voucher"),
}


class Keruyun(Platform):
    """Pushes of Keruyun's open platform about orders."""

    name = "keruyun"
    label = "客如云 Keruyun"
    ids_are_unique = True
    credentials = (
        Credential(name="path_secret", label=gettext_noop("Secret of the address, after ?secret=")),
        Credential(name="app_key", label=gettext_noop("App key"), secret=False),
        Credential(name="app_secret", label=gettext_noop("App secret")),
        API_URL,
    )
    api = "https://openapi.keruyun.com"
    listing_needs = ("app_key", "app_secret")
    documents = (
        "https://open.keruyun.com/docs/zh/RseVEXQBzPVmqdQuz1r4.html",
        "https://open.keruyun.com/docs/zh/fHMK4HUBczuQcdqkaRZo.html",
        "https://github.com/loebfly/keruyun-sdk-go (kry_standard/response.go)",
        "https://github.com/Horacehxw/keruyun-sdk-python (signing.py, order.py)",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed:
        # Nothing is signed, so that only the secret of the address tells who calls.
        secret = needed(credentials, "path_secret")
        return Signed(given=query_of(request.url).get("secret"), right=[secret])

    def read(self, request: Received) -> Push:
        with pushed_object(request) as pushed:
            return Push(
                push_id=f"{pushed.id('tradeId')}:{digest(pushed.value)}",
                body=pushed.value,
                store_code=_shop(pushed),
            )

    def answer(self, request: Received) -> Answer:
        # Of at most 32 letters and digits; the same for the same push again.
        identity = hashlib.blake2b(request.body, digest_size=16).hexdigest()
        return Answer(body={"code": 0, "message": "OK", "messageUuid": identity})

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        pushed = Fields(push.body)
        body = {"orderId": pushed.id("tradeId")}
        found = self._ask("queryDetail", body, _shop(pushed), credentials, client)
        return (found.at("result") if found.has("result") else found).value

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """The orders that were opened, each of which is then fetched as it is for a push."""
        number = int(asked.page or 1)
        body = {
            "dateType": "OPEN_TIME",
            "startDate": f"{asked.start:%Y-%m-%d %H:%M:%S}",
            "endDate": f"{asked.end - dt.timedelta(seconds=1):%Y-%m-%d %H:%M:%S}",
            "pageBean": {"pageNum": number, "pageSize": PAGE},
        }
        answer = self._ask("queryList", body, asked.store_code, credentials, client)
        found = answer.at("result").at("data")
        orders, count = found.each("list"), found.integer("totalCount") or 0
        return Page(
            listed=[_listed(each, asked.store_code) for each in orders],
            following=str(number + 1) if orders and number * PAGE < count else "",
        )

    def _ask(
        self, path: str, body: Any, shop: str, credentials: Credentials, client: Client
    ) -> Fields:
        address, call = self.api_of(credentials), _Call(credentials, shop, int(time.time()))
        answer = client.get(f"{address}/open/v1/token/get?{call.query(credentials['app_secret'])}")
        token = Fields(answer, "the answer with the token").at("result").text("token", 10_000)
        query = call.query(token, token=token, body=body)
        answer = client.post(f"{address}/open/standard/order/{path}?{query}", json=body)
        return Fields(answer, "the answer of Keruyun")

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = Fields(push.body)
        answer = Fields(details, "details")
        detail = answer.at("data")
        base = detail.at("orderBaseVO")
        if base.id("orderId") != pushed.id("tradeId"):
            raise CannotTranslate("details is another order than the push's")
        at = answer.part("extInfo").epoch("serverCurrentTimestamp")
        if at is None:
            raise answer.wrong("extInfo", "with the time of the server")
        if pushed.integer("operation") in _REFUNDS:
            return list(_refund(pushed, detail, at, push.push_id))
        events = list(_order(detail, at, push.push_id))
        if pushed.integer("operation") == _MERGED:
            statement = _statement(base.id("orderId"), at, push.push_id)
            events.append(statement.merge(_merged(pushed)))
        return events


def _listed(order: Fields, shop: str) -> Listed:
    """An order of the list. One below zero, or one that is refunded and names another, is a refund
    of that other order."""
    amount = order.cents_or_none("orderAmt", 2) or ZERO
    related = order.id_or_none("relatedOrderId")
    is_refund = amount < 0 or (bool(related) and order.text("orderStatus") in ("REFUND", "6"))
    pushed = {
        "tradeId": order.id("orderId"),
        "shopIdenty": shop,
        "operation": _REFUNDS[0] if is_refund else _LISTED,
        **({"relatedTradeId": related} if related else {}),
    }
    identity = f"listed:{pushed['tradeId']}:{digest(order.value)}"
    return Listed(push=Push(push_id=identity, body=pushed, store_code=shop))


def _shop(pushed: Fields) -> str:
    return pushed.id_or_none("shopIdenty") or pushed.id_or_none("shopId")


class _Call:
    """The parameters of a call, protocol 2.0."""

    def __init__(self, credentials: Credentials, shop: str, timestamp: int) -> None:
        self.params = {
            "appKey": needed(credentials, "app_key"),
            "shopIdenty": shop,
            "timestamp": str(timestamp),
            "version": "2.0",
        }

    def query(self, secret: str, *, token: str = "", body: Mapping[str, Any] | None = None) -> str:
        params = {**self.params, "token": token} if token else self.params
        return urlencode({**params, "sign": signature_of(params, body, secret)})


def signature_of(params: Mapping[str, str], body: Mapping[str, Any] | None, secret: str) -> str:
    """SHA-256 over the parameters in Keruyun's order, the compact JSON of the body, the secret."""
    signed = "".join(f"{name}{params[name]}" for name in _SIGNED if name in params)
    if body is not None:
        signed += f"body{json.dumps(body, ensure_ascii=False, separators=(',', ':'))}"
    return hashlib.sha256((signed + secret).encode()).hexdigest()


# Orders


def _statement(order_id: str, at: dt.datetime, push_id: str, status: str = "") -> Statement:
    return Statement(
        till="keruyun", order_id=order_id, at=at, currency="CNY", status=status, push_id=push_id
    )


def _order(detail: Fields, at: dt.datetime, push_id: str) -> Iterator[Translated]:
    base = detail.at("orderBaseVO")
    kind = base.text("orderType")
    if kind in _NO_SALES:
        return
    code = base.text("orderStatus")
    found = _STATUSES.get(_CODES.get(code, code))
    if found is None:
        raise base.unknown("orderStatus", _STATUSES)
    statement = _statement(base.id("orderId"), at, push_id, found)
    yield statement.order(
        [each for item in detail.each("orderItemVoList") for each in _lines(item)],
        bill=_bill(detail),
        total=base.cents("orderAmt", 2) - abs(base.cents("promoAmt", 2)),
        channel=_CHANNELS.get(kind, ""),
        platform=base.text("orderSource") if kind in _OF_PLATFORMS else "",
        platform_number=base.text("thirdOrderNo"),
        ticket=base.text("serialNo"),
        table="; ".join(each.text("tableName") for each in detail.each("orderTableVoList"))[:100],
        guests=base.guests("orderPeopleCnt"),
        # Times have no zone: they are the store's own.
        placed_at=base.moment("openTime"),
        closed_at=base.moment("settleTime"),
        business_day=base.day("finishBusiDate"),
        member=base.text("memberId"),
        staff=base.text("openOperatorName"),
        note=base.note("subject"),
        phone_last4=last_digits(base.text("memberPhone")),
        replaces=base.id_or_none("relatedOrderId"),
    )
    payments = detail.each("openPaymentDetailVoList")
    yield from (_payment(statement, each) for each in payments)
    if kind in _OF_PLATFORMS and payments:
        received = (each.cents("actualReceiveAmt", 2) for each in payments)
        commission = (each.cents("platformServiceAmt", 2) for each in payments)
        yield statement.settlement(
            sum(received, ZERO), commission=abs(sum(commission, ZERO)) or None
        )


def _lines(item: Fields, parent: str = "") -> Iterator[dict[str, Any]]:
    """A dish and what it is made of. The parts of a set cost nothing beside the set."""
    quantity = item.quantity("quantity", 1)
    amount = None if parent else item.cents_or_none("itemSaleAmt", 2) or None
    line_id = item.id_or_none("id") or item.place[:100]
    wishes = [each.name("practiceName") for each in item.each("practiceVoList")]
    state = "gift" if item.flag("giftFlag") else "sold"
    if item.text("saleStatusTypeCode") == "DISCARD":
        state = "void"
    yield line(
        line_id=line_id,
        dish=item.id_or_none("itemCode"),
        name=item.name("itemName"),
        quantity=quantity,
        price=ZERO if parent else _price(item, quantity, amount),
        amount=amount,
        state=state,
        role="component" if parent else "item",
        parent=parent,
        options=[each for each in (item.name("specNameConcat"), *wishes) if each][:100],
        note=item.note("itemSubject"),
    )
    for part in item.each("children"):
        yield from _lines(part, line_id)


def _price(item: Fields, quantity: Decimal, amount: Decimal | None) -> Decimal:
    """Of one piece, wishes that cost something included."""
    if amount:
        return piece_price(amount, quantity)
    sale = item.cents_or_none("salePrice", 2)
    return item.cents("itemPrice", 2) if sale is None else sale


def _bill(detail: Fields) -> list[dict[str, Any]]:
    discounts = [
        entry("discount", abs(each.cents("promoAmt", 2)), name=each.name("promoName"))
        for each in detail.each("openOrderPromoVoList")
    ]
    charges = [
        entry(
            "charge", each.cents("extraFeeAmt", 2), name=each.name("extraFeeName"), code="service"
        )
        for each in detail.each("openExtraFeeVoList")
    ]
    return entries(*discounts, *charges)


def _payment(statement: Statement, payment: Fields) -> Translated:
    method = payment.integer("payMethodId")
    return statement.payment(
        payment.id("payDetailNo"),
        abs(payment.cents("payAmt", 2)),
        tender="" if method is None else _TENDERS.get(method, "other"),
        # It has an end once it was paid.
        status="completed" if payment.has("payDetailEndTime") else "pending",
        fee=abs(payment.cents("platformServiceAmt", 2)) or None,
    )


# Refunds and merges


def _refund(pushed: Fields, detail: Fields, at: dt.datetime, push_id: str) -> Iterator[Translated]:
    """A refund has an order of its own, which names the one that it refunds."""
    base = detail.at("orderBaseVO")
    related = base.id_or_none("relatedOrderId") or pushed.id("relatedTradeId")
    received = base.cents_or_none("orderReceivedAmt", 2)
    amount = base.cents("orderAmt", 2) if received is None else received
    statement = _statement(related, at, push_id)
    yield statement.refund(
        base.id("orderId"),
        abs(amount),
        reason=base.note("subject"),
        business_day=base.day("finishBusiDate"),
    )


def _merged(pushed: Fields) -> list[str]:
    ids = pushed.value.get("mergeTradeIds")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_MERGED:
        raise pushed.wrong("mergeTradeIds", f"a list of 1 to {MOST_MERGED} ids")
    return [
        Fields({"id": each}, f"mergeTradeIds[{index}]").id("id") for index, each in enumerate(ids)
    ]
