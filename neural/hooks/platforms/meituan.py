"""Meituan delivery (美团外卖): pushes forms. A new, confirmed or completed order comes whole, a
cancellation or a refund by the order's id. Lists are JSON in a field of the form, and values are
URL-encoded twice. The kind of a push is told by its fields, so that all have one address.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from neural.hooks.platforms.amounts import digest, from_epoch, rounded
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
    PushUnreadable,
    Received,
    SignatureRefused,
    Signed,
    Translated,
    gettext_noop,
    md5,
    needed,
)
from neural.hooks.platforms.normal_events import (
    ZERO,
    Statement,
    entries,
    entry,
    line,
    returned,
    withheld_fee,
)
from neural.hooks.platforms.reading import (
    Fields,
    form_of,
    json_of,
    last_digits,
    unreadable_if_wrong,
    without_phones,
)
from neural.kit.storable import storable

OWN_DELIVERY = "0000"
PROXY_NUMBER = "收餐人隐私号"

_STATUSES = {
    "1": "open",
    "2": "open",
    "4": "accepted",
    "6": "delivering",
    "8": "closed",
    "9": "cancelled",
}
_PICKED_UP = "20"
_NO_SUCH_ORDER = 808
PAGE = 20
"""Numbers of orders that are asked for between two savings of how far it is."""
MOST_GAPS = 5
"""After so many numbers in a row without an order, the day has no more."""
_NOT_CONTENT = ("sig", "timestamp")
"""They differ when the same push is sent again."""


class Meituan(Platform):
    """Pushes of an application of Meituan's open platform for delivery."""

    name = "meituan"
    label = "美团外卖 Meituan"
    ids_are_unique = True
    credentials = (
        Credential(name="app_id", label=gettext_noop("App ID"), secret=False),
        Credential(name="app_secret", label=gettext_noop("App secret")),
        API_URL,
    )
    api = "https://waimaiopen.meituan.com/api/v1"
    resent_for = 24 * 3600.0  # a guess: it is not in the public documents
    listing_needs = ("app_id", "app_secret")
    documents = (
        "https://github.com/song-yuan/wymenuv2 (MtOpenUnit, MtOpenNotify, MtOpenOrder)",
        "https://support.hexcloud.cn/topic/2195 (statuses, reasons, notify types)",
        "https://www.cnblogs.com/G921123/p/12523782.html (probe of the address)",
        "https://developer.waimai.meituan.com/home/docDetail/121",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed | None:
        fields = form_of(request)
        if not fields and request.method == "GET":
            return None  # it only looks whether the address answers
        address = urlunsplit(urlsplit(request.url)._replace(query="", fragment=""))
        decoded = {name: unquote_plus(value) for name, value in fields.items()}
        if decoded.get("app_id") != credentials.get("app_id"):
            raise SignatureRefused("the request is about another application")
        return Signed(
            given=fields.get("sig", "").lower(),
            right=[signature_of(address, decoded, needed(credentials, "app_secret"))],
            at=lambda: from_epoch(decoded.get("timestamp")),
        )

    def read(self, request: Received) -> Push | None:
        fields = form_of(request)
        if not fields and request.method == "GET":
            return None
        body = {
            storable(name): storable(unquote_plus(value))
            for name, value in sorted(fields.items())
            if name != "sig"
        }
        with unreadable_if_wrong():
            return _push(Fields(body))

    def answer(self, request: Received) -> Answer:
        return Answer(body={"data": "ok"})

    def refusal(self, request: Received) -> Answer:
        return Answer(status=403, body={"data": "ng"})

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        """The order of a cancellation or refund that does not say how much goes back."""
        pushed = Fields(push.body)
        if not (_is_cancellation(pushed) or _is_whole_refund(pushed)):
            return None
        return self._order(pushed.id("order_id"), credentials, client).value

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """The orders of a store by their numbers of the day, which go on from 1."""
        first, listed = int(asked.page or 1), list[Listed]()
        missing = 0
        for number in range(first, first + PAGE):
            fields = {
                "app_poi_code": asked.store_code,
                "date_time": f"{asked.start:%Y%m%d}",
                "day_seq": str(number),
            }
            order_id = _numbered(self._ask("getOrderIdByDaySeq", fields, credentials, client))
            missing = 0 if order_id else missing + 1
            if order_id:
                order = self._order(order_id, credentials, client)
                listed += _listed(order, asked.store_code)
            if missing == MOST_GAPS:
                return Page(listed=listed)
        return Page(listed=listed, following=str(first + PAGE))

    def _order(self, order_id: str, credentials: Credentials, client: Client) -> Fields:
        answer = self._ask("getOrderDetail", {"order_id": order_id}, credentials, client)
        return answer.at("data")

    def _ask(
        self, path: str, about: Mapping[str, str], credentials: Credentials, client: Client
    ) -> Fields:
        address = f"{self.api_of(credentials)}/order/{path}"
        fields = {
            "app_id": needed(credentials, "app_id"),
            **about,
            "timestamp": str(int(time.time())),
        }
        signature = signature_of(address, fields, needed(credentials, "app_secret"))
        answer = client.get(f"{address}?{urlencode({**fields, 'sig': signature})}")
        return Fields(answer, "the answer of Meituan")

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        pushed = Fields(push.body)
        if pushed.has("detail"):
            return list(_order(pushed))
        if pushed.has("notify_type"):
            return list(_refund(pushed, details))
        if _is_cancellation(pushed):
            return list(_cancellation(pushed, details))
        if pushed.text("logistics_status") == _PICKED_UP:
            return [_statement(pushed, "delivering").status_change()]
        return []


def _push(pushed: Fields) -> Push:
    content = {name: value for name, value in pushed.value.items() if name not in _NOT_CONTENT}
    return Push(
        push_id=f"{pushed.id_or_none('order_id')}:{digest(content)}",
        body=pushed.value,
        store_code=pushed.id_or_none("app_poi_code"),
        occurred_at=pushed.epoch("utime") or pushed.epoch("timestamp"),
    )


def _numbered(answer: Fields) -> str:
    """The id of the order with a number; empty if there is none. Anything else is an error."""
    error = answer.part("error")
    if error.has("code") and error.integer("code") != _NO_SUCH_ORDER:
        raise CannotTranslate(f"Meituan answers {error.text('code')}: {error.text('msg')}")
    data = answer.value.get("data")
    found = (data[:1] or [None])[0] if isinstance(data, list) else data
    return Fields(found, "data").id_or_none("order_id") if isinstance(found, Mapping) else ""


def _listed(order: Fields, store_code: str) -> Iterator[Listed]:
    """The order as it would be pushed; of a cancelled one, the cancellation, too."""
    ours = {"app_poi_code": store_code}
    yield Listed(push=_push(Fields({**ours, **order.value})))
    if _STATUSES.get(order.text("status")) == "cancelled":
        about = {name: order.value.get(name) for name in ("order_id", "utime")}
        cancellation = Fields({**ours, **about, "reason_code": "cancelled"})
        yield Listed(push=_push(cancellation), details=order.value)


def signature_of(address: str, fields: Mapping[str, str], secret: str) -> str:
    """MD5 over the address, the decoded fields in the order of their names, and the secret."""
    pairs = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sig")
    return md5(f"{address}?{pairs}{secret}")


def _is_cancellation(pushed: Fields) -> bool:
    return pushed.has("reason_code") and not pushed.has("detail") and not pushed.has("notify_type")


def _is_whole_refund(pushed: Fields) -> bool:
    return pushed.text("notify_type") == "agree" and not pushed.has("money")


def _statement(pushed: Fields, status: str) -> Statement:
    at = pushed.epoch("utime") or pushed.epoch("timestamp")
    if at is None:
        raise pushed.wrong("utime", "a time in seconds since 1970")
    return Statement(
        till="meituan", order_id=pushed.id("order_id"), at=at, currency="CNY", status=status
    )


# Orders


def _order(order: Fields) -> Iterator[Translated]:
    status = order.one_of("status", _STATUSES, "open")
    statement = _statement(order, status)
    account = _inner(order, "poi_receive_detail")
    account = Fields({} if account is None else account, "poi_receive_detail")
    total = order.money("total")
    borne = sum((each.cents("moneyCent", 2) for each in account.each("actOrderChargeByMt")), ZERO)
    commission = account.cents("foodShareFeeChargeByPoi", 2)
    payout = account.cents_or_none("wmPoiReceiveCent", 2)
    items = _list(order, "detail")
    fee = order.money("shipping_fee")
    default = ZERO if order.text("logistics_code") == OWN_DELIVERY else fee
    withheld = withheld_fee(fee, total + borne - commission, payout, default)
    # The guest's wish, before the proxy number that Meituan writes after it.
    yield statement.order(
        [_line(item) for item in items],
        bill=_bill(order, items, withheld, borne),
        total=total,
        channel="takeaway" if order.text("pick_type") == "1" else "delivery",
        platform="meituan",
        platform_number=order.text("wm_order_id_view"),
        ticket=order.text("day_seq"),
        guests=order.guests("dinners_number"),
        placed_at=order.epoch("ctime"),
        promised_at=order.epoch("delivery_time"),
        note=without_phones(order.text("caution", 500).split(PROXY_NUMBER)[0].strip()),
        phone_last4=last_digits(order.text("recipient_phone")),
    )
    if order.text("pay_type") == "2":
        yield statement.payment(
            statement.only("payment"),
            account.cents_or_none("onlinePayment", 2) or total,
            tender="platform",
        )
    if payout is not None:
        yield statement.settlement(payout, commission=commission or None, final=status == "closed")


def _line(item: Fields) -> dict[str, Any]:
    wishes = item.name("food_property").split(",")
    return line(
        line_id=item.place[:100],
        dish=item.id_or_none("sku_id") or item.id_or_none("app_food_code"),
        name=item.name("food_name"),
        quantity=item.quantity("quantity", 1),
        price=item.money("price"),
        options=[each for each in (item.name("spec"), *wishes) if each][:100],
    )


def _bill(
    order: Fields, items: Sequence[Fields], withheld: Decimal, borne: Decimal
) -> list[dict[str, Any]]:
    boxes = sum(
        (rounded(each.quantity("box_num", 0) * each.money("box_price")) for each in items), ZERO
    )
    bag = order.number("package_bag_money_yuan")
    discounts = [_discount(each) for each in _list(order, "extras") if each.has("reduce_fee")]
    if not discounts and borne:
        discounts = [entry("discount", borne, platform=borne)]
    return entries(
        *discounts,
        entry("charge", boxes, code="packing"),
        entry("charge", order.cents("package_bag_money", 2) if bag is None else bag, code="bag"),
        entry("charge", order.money("shipping_fee"), platform=withheld, code="delivery"),
    )


def _discount(extra: Fields) -> dict[str, Any]:
    return entry(
        "discount",
        extra.money("reduce_fee"),
        platform=extra.money("mt_charge"),
        name=extra.name("remark"),
    )


def _inner(order: Fields, name: str) -> Any:
    """The JSON in a field of the form; a field of a fetched order may be JSON itself."""
    value = order.value.get(name)
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return json_of(value)
    except PushUnreadable as error:
        raise CannotTranslate(f"{name}: {error}") from None


def _list(order: Fields, name: str) -> list[Fields]:
    return Fields({name: _inner(order, name)}).each(name)


# What is taken back


def _cancellation(pushed: Fields, details: Any) -> Iterator[Translated]:
    statement = _statement(pushed, "cancelled")
    reason = pushed.note("reason") or pushed.text("reason_code")
    yield statement.status_change(reason=reason)
    yield from _whole(statement, details, reason)


def _refund(pushed: Fields, details: Any) -> Iterator[Translated]:
    """Only an agreed refund moves money: of the whole order, or a part of it with its ``money``."""
    if pushed.text("notify_type") != "agree":
        return
    statement = _statement(pushed, "")
    reason = pushed.note("reason")
    if not pushed.has("money"):
        if not details:
            raise CannotTranslate("the refund does not say how much, and its order is not fetched")
        yield from _whole(statement, details, reason)
        return
    yield statement.refund(
        pushed.id_or_none("refund_id") or f"{statement.order_id[:60]}-{digest(pushed.value)}",
        pushed.money("money"),
        tender="platform",
        lines=[
            returned(each, name="food_name", quantity="count", price="food_price")
            for each in _list(pushed, "food")
        ],
        reason=reason,
    )


def _whole(statement: Statement, details: Any, reason: str) -> Iterator[Translated]:
    """All that the guest paid. A cancellation and an agreed refund tell of the same money."""
    if not details:
        return
    order = Fields(details, "details")
    if order.text("pay_type") == "2":
        yield statement.refund(
            statement.only("whole"),
            order.money("total"),
            whole=True,
            tender="platform",
            reason=reason,
        )
