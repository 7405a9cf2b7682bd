"""Eleme (饿了么): delivery platform. A new order is pushed whole, later changes by ids and states.

Amounts are yuan written as floats. Times are seconds in messages and milliseconds around them.
"""

import base64
import datetime as dt
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

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
    Signed,
    Translated,
    gettext_noop,
    md5,
    needed,
)
from neural.hooks.platforms.normal_events import (
    Statement,
    entries,
    entry,
    line,
    returned,
    withheld_fee,
)
from neural.hooks.platforms.reading import (
    Fields,
    json_as_sent,
    json_of,
    last_digits,
    pushed_object,
)
from neural.kit.errors import NeuralError

CHINA = dt.timezone(dt.timedelta(hours=8))
NEW_ORDER = 10
_STATUS_OF_TYPE = {
    12: "accepted",
    **dict.fromkeys((14, 15, 17), "cancelled"),
    18: "closed",
    **dict.fromkeys((51, 52, 53, 54, 55, 56), "delivering"),
    217: "open",
}
_STATES_CHANGED = (12, 14, 15, 17, 18, 217)
_DELIVERED = (51, 52, 53, 54, 55, 56)
_CANCEL_AGREED, _CANCEL_FORCED = 23, 25
_REFUND_AGREED, _REFUND_FORCED = 33, 35
_STATUSES = {
    "pending": "open",
    "unprocessed": "open",
    "refunding": "accepted",
    "valid": "accepted",
    "invalid": "cancelled",
    "settled": "closed",
}
_STATUSES |= {name.upper(): meaning for name, meaning in _STATUSES.items()}
_OTHER_GROUPS = ("extra", "discount")


class OrderNotReady(NeuralError):
    """Eleme could not give the money of an order yet. It is asked again later."""


class Eleme(Platform):
    """Messages of an Eleme application."""

    name = "eleme"
    label = "饿了么 Eleme"
    ids_are_unique = True
    credentials = (
        Credential(name="app_secret", label=gettext_noop("App secret")),
        Credential(name="app_key", label=gettext_noop("App key"), required=False, secret=False),
        Credential(name="app_id", label=gettext_noop("App ID"), required=False, secret=False),
        Credential(name="access_token", label=gettext_noop("Access token"), required=False),
        API_URL,
    )
    api = "https://open-api.shop.ele.me"
    resent_for = 24 * 3600.0  # a guess: it is not in the public documents
    listing_needs = ("app_key", "app_id")
    lists_days = False
    documents = (
        "http://www.dianj.com.cn/News/Detail/21258",
        "http://www.dianj.com.cn/News/Detail/21260",
        "http://www.dianj.com.cn/News/Detail/21265",
        "http://www.dianj.com.cn/News/Detail/21302",
        "https://github.com/dllen/eleme-openapi-java-sdk (OOrder, CallbackValidationUtil)",
        "https://open.shop.ele.me/openapi/documents/callback",
    )

    def signed(self, request: Received, credentials: Credentials) -> Signed | None:
        if _is_probe(request):
            return None
        pushed = Fields(json_as_sent(request.body))
        return Signed(
            given=pushed.text("signature").upper(),
            right=[signature_of(pushed.value, needed(credentials, "app_secret"))],
            at=lambda: pushed.epoch("timestamp"),
        )

    def read(self, request: Received) -> Push | None:
        if _is_probe(request):
            return None
        with pushed_object(request) as pushed:
            return _push(pushed)

    def answer(self, request: Received) -> Answer:
        return Answer(body={"message": "ok"})

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        message = _Message(push.body)
        if not message.needs_order or (
            not message.thing.has("orderId") and not message.thing.has("id")
        ):
            return None
        if not (credentials.get("app_key") and credentials.get("app_secret")):
            return None
        order_id = message.thing.id("orderId" if message.thing.has("orderId") else "id")
        answer = self._ask("eleme.order.getOrder", {"orderId": order_id}, credentials, client)
        order = answer.at("result")
        if order.flag("downgraded"):
            raise OrderNotReady(f"order {order_id} has no amounts yet")
        return order.value

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """The messages that did not reach us, as they were pushed: of the whole application."""
        params = {"appId": int(credentials["app_id"])}
        action = "eleme.message.getNonReachedOMessages"
        answer = self._ask(action, params, credentials, client)
        return Page(listed=[Listed(push=_push(each)) for each in answer.each("result")])

    def _ask(
        self, action: str, params: Mapping[str, Any], credentials: Credentials, client: Client
    ) -> Fields:
        address = self.api_of(credentials)
        token = credentials.get("access_token") or token_of(address, credentials, client)
        call = call_of(
            action,
            params,
            credentials,
            token=token,
            timestamp=int(time.time()),
            identity=str(uuid.uuid4()).upper(),
        )
        answer = Fields(client.post(f"{address}/api/v1/", json=call), "the answer of Eleme")
        if answer.has("error"):
            raise OrderNotReady(f"Eleme answers {answer.part('error').text('code')!r}")
        return answer

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        message = _Message(push.body)
        if message.type == NEW_ORDER:
            order = Fields(details, "details") if details else message.thing
            return list(_order(order, message))
        if message.type in (_REFUND_AGREED, _REFUND_FORCED) or message.is_part:
            return list(_refunded(message, details))
        if message.type in (_CANCEL_AGREED, _CANCEL_FORCED):
            return list(_cancelled(message, details))
        if message.type in _STATES_CHANGED:
            role = _ROLES.get(message.thing.integer("role") or 0, "")
            if _STATUS_OF_TYPE[message.type] == "cancelled":
                return list(_cancelled(message, details, by=role))
            return [message.statement().status_change(by=role)]
        if message.type in _DELIVERED:
            return [message.statement().status_change()]
        return []


_ROLES = {
    1: "guest",
    2: "eleme",
    3: "store",
    4: "customer service",
    5: "open platform",
    6: "text messages",
    7: "printer",
    8: "risk control",
    9: "completion",
}


def _is_probe(request: Received) -> bool:
    """Whether the platform only looks whether the address answers."""
    return request.method == "GET" and not request.body


def _push(pushed: Fields) -> Push:
    return Push(
        push_id=pushed.id("requestId"),
        # The message as JSON of its own, so that people can read it in the admin.
        body={**pushed.value, "message": _message(pushed.value)},
        store_code=pushed.id_or_none("shopId"),
        occurred_at=pushed.epoch("timestamp"),
    )


def _message(body: Mapping[str, Any]) -> Any:
    message = body.get("message")
    return json_of(message) if isinstance(message, str) else message


class _Message:
    """A message and the order or state that is in it."""

    def __init__(self, body: Any) -> None:
        self.all = Fields(body)
        kind = self.all.integer("type")
        if kind is None:
            raise self.all.wrong("type", "a whole number")
        self.type = kind
        try:
            message = _message(self.all.value)
        except PushUnreadable as error:
            raise CannotTranslate(f"message: {error}") from None
        self.thing = Fields({} if message is None else message, "message")

    @property
    def is_part(self) -> bool:
        """Whether a cancellation is of some goods only: the order goes on."""
        cancelled = self.type in (_CANCEL_AGREED, _CANCEL_FORCED)
        return cancelled and self.thing.text("refundType").lower() == "part"

    @property
    def needs_order(self) -> bool:
        """Whether the message does not say the order's money."""
        if self.type == NEW_ORDER:
            return self.thing.flag("downgraded")
        refunds = (14, 15, 17, _CANCEL_AGREED, _CANCEL_FORCED, _REFUND_AGREED, _REFUND_FORCED)
        return self.type in refunds and not self.thing.has("totalPrice")

    def statement(self, status: str | None = None) -> Statement:
        """Of the order. Seconds are the finest that all messages state."""
        at = self.thing.epoch("updateTime") or self.thing.epoch("updateAt")
        # Not the time of the message: one that is sent again would be newer than what followed.
        at = at or _in_china(self.thing, "activeAt") or _in_china(self.thing, "createdAt")
        at = at or self.all.epoch("timestamp")
        if at is None:
            raise self.all.wrong("timestamp", "a time in milliseconds")
        found = _STATUS_OF_TYPE.get(self.type, "") if status is None else status
        order_id = self.thing.id_or_none("orderId") or self.thing.id("id")
        return Statement(
            till="eleme",
            order_id=order_id,
            at=at.replace(microsecond=0),
            currency="CNY",
            status=found,
        )


# Orders


def _order(order: Fields, message: _Message) -> Iterator[Translated]:
    if order.flag("downgraded"):
        raise CannotTranslate(
            "the order is downgraded: its amounts are missing. Enter the app key in the source, so "
            "that they can be fetched"
        )
    status = order.one_of("status", _STATUSES, "open")
    statement = message.statement(status)
    total, payout = order.money("totalPrice"), order.number("income")
    commission = abs(order.money("serviceFee"))
    borne = abs(order.money("elemePart")) + abs(order.money("hongbao"))
    fee = order.money("deliverFee")
    withheld = withheld_fee(fee, total + borne - commission, payout, fee)
    phones = order.value.get("phoneList")
    first = phones[0] if isinstance(phones, list) and phones else ""
    yield statement.order(
        [each for group in order.each("groups") for each in _lines(group)],
        bill=_bill(order, withheld),
        total=total,
        channel="delivery",
        platform="eleme",
        platform_number=statement.order_id,
        ticket=order.text("daySn"),
        placed_at=_in_china(order, "createdAt"),
        promised_at=_in_china(order, "deliverTime"),
        note=order.note("description"),
        phone_last4=last_digits(first) if isinstance(first, str) else "",
    )
    if order.flag("onlinePaid"):
        yield statement.payment(statement.only("payment"), total, tender="platform")
    if payout is not None:
        yield statement.settlement(payout, commission=commission or None, final=status == "closed")


def _in_china(order: Fields, name: str) -> dt.datetime | None:
    """A time of an order, which has no zone."""
    moment = order.moment(name)
    return moment.replace(tzinfo=moment.tzinfo or CHINA) if moment else None


def _lines(group: Fields) -> Iterator[dict[str, Any]]:
    """The items of a basket. Packing, in a basket of its own, is among the charges."""
    if group.text("type").lower() in _OTHER_GROUPS:
        return
    for item in group.each("items"):
        specs, wishes = item.each("newSpecs"), item.each("attributes")
        found = [each.name("value") or each.name("name") for each in (*specs, *wishes)]
        yield line(
            line_id=item.place[:100],
            # Sizes and wishes are in the name, so that the name tells no dish.
            dish=item.id_or_none("extendCode") or item.id_or_none("id"),
            name=item.name("name"),
            quantity=item.quantity("quantity", 1),
            price=item.money("price"),
            options=[each for each in found if each][:100],
        )


def _bill(order: Fields, withheld: Decimal) -> list[dict[str, Any]]:
    """Discounts are negative in the order."""
    activities = order.each("orderActivities")
    names = "; ".join(each.name("name") for each in activities)[:200]
    discount, packet = abs(order.money("activityTotal")), abs(order.money("hongbao"))
    borne = abs(order.money("elemePart"))
    return entries(
        entry("discount", discount, platform=borne, name=names),
        entry("discount", packet, platform=packet, code="hongbao"),
        entry("charge", order.money("packageFee"), code="packing"),
        entry("charge", order.money("deliverFee"), platform=withheld, code="delivery"),
    )


# What is taken back


def _cancelled(message: _Message, details: Any, by: str = "") -> Iterator[Translated]:
    """The order counts nowhere, and what the guest paid goes back. A forced cancellation and the
    state that follows it tell of the same money."""
    statement = message.statement("cancelled")
    yield statement.status_change(by=by, reason=message.thing.note("reason"))
    amount = _amount_back(message, details)
    if amount is not None:
        yield statement.refund(statement.only("cancelled"), amount, whole=True, tender="platform")


def _refunded(message: _Message, details: Any) -> Iterator[Translated]:
    """A refund after completion, in whole or by goods."""
    statement = message.statement("")
    amount = _amount_back(message, details)
    if amount is None:
        raise CannotTranslate(
            "the message does not say how much was refunded: enter the app key in the source, so "
            "that the order can be fetched"
        )
    goods = [
        returned(each, name="name", quantity="quantity", price="price")
        for each in message.thing.each("goodsList")
        if each.has("name")
    ]
    refund_id = message.thing.id_or_none("refundId") or message.all.id("requestId")
    yield statement.refund(
        refund_id,
        amount,
        tender="platform",
        lines=goods,
        reason=message.thing.note("reason"),
    )


def _amount_back(message: _Message, details: Any) -> Decimal | None:
    if message.thing.has("totalPrice"):
        return abs(message.thing.money("totalPrice"))
    if not details:
        return None
    order = Fields(details, "details")
    return abs(order.money("totalPrice")) if order.flag("onlinePaid") else None


def signature_of(body: Mapping[str, Any], secret: str) -> str:
    """MD5 over all fields but the signature, sorted, each ``name=value``, then the secret."""
    signed = "".join(
        f"{name}={_written(body[name])}" for name in sorted(body) if name != "signature"
    )
    return md5(signed + secret).upper()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def call_of(
    action: str,
    params: Mapping[str, Any],
    credentials: Credentials,
    *,
    token: str,
    timestamp: int,
    identity: str,
) -> dict[str, Any]:
    """A signed call of Eleme's API, protocol nop 1.0.0."""
    metas = {"app_key": credentials["app_key"], "timestamp": timestamp}
    signed = "".join(
        f"{name}={json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for name, value in sorted({**metas, **params}.items())
    )
    return {
        "nop": "1.0.0",
        "id": identity,
        "action": action,
        "token": token,
        "metas": metas,
        "params": dict(params),
        "signature": md5(action + token + signed + credentials["app_secret"]).upper(),
    }


def token_of(address: str, credentials: Credentials, client: Client) -> str:
    """An access token of an application that serves its own stores."""
    pair = f"{credentials['app_key']}:{credentials['app_secret']}"
    answer = client.post_form(
        f"{address}/token",
        fields={"grant_type": "client_credentials", "scope": "all"},
        headers={"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
    )
    return Fields(answer, "the answer with the token").text("access_token", 10_000)
