"""Eleme: an order that a public repository recorded, and the examples of a copy of its documents.
Names, addresses and telephone numbers are ours."""

import datetime as dt
import hashlib
import json
from typing import Any

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.eleme import Eleme
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

RECORDED = "an order in a public repository (ElemeUtils, file id 27258421807)"
ORDER_ID = "3014728511382982849"
SHOP = 156898280


def item(dish: int, name: str, price: float, quantity: int, **more: Any) -> dict[str, Any]:
    return {
        "id": dish,
        "skuId": 200000100943422213,
        "name": name,
        "categoryId": 1,
        "price": price,
        "quantity": quantity,
        "total": price * quantity,
        "additions": [],
        "newSpecs": [],
        "attributes": [],
        "extendCode": "",
        **more,
    }


ORDER: dict[str, Any] = {
    "id": ORDER_ID,
    "orderId": ORDER_ID,
    "address": "学生公寓一栋111",
    "createdAt": "2017-10-30T20:08:07",
    "activeAt": "2017-10-30T20:08:07",
    "deliverFee": 3.0,
    "deliverTime": None,
    "description": "少辣 电话13800000000",
    "groups": [
        {
            "name": "1号篮子",
            "type": "normal",
            "items": [
                item(1298577560, "台湾烤肠", 5.0, 2),
                item(
                    1288279667,
                    "烧仙草奶茶-大杯热",
                    14.0,
                    1,
                    newSpecs=[{"name": "规格", "value": "大杯"}],
                    attributes=[{"name": "温度", "value": "热"}],
                ),
            ],
        }
    ],
    "invoice": None,
    "book": False,
    "onlinePaid": True,
    "phoneList": ["13800001539"],
    "shopId": SHOP,
    "daySn": 6,
    "status": "unprocessed",
    "refundStatus": "noRefund",
    "totalPrice": 17.0,
    "originalPrice": 27.0,
    "consignee": "顾客(先生)",
    "income": 13.6,
    "serviceRate": 0.15,
    "serviceFee": -2.4,
    "hongbao": 0.0,
    "packageFee": 0.0,
    "activityTotal": -10.0,
    "shopPart": -8.0,
    "elemePart": -2.0,
    "downgraded": False,
    "orderActivities": [{"categoryId": 12, "name": "在线支付立减优惠", "amount": -10.0}],
}
DOWNGRADED = {
    **ORDER,
    "orderId": "3014728511382982850",
    "id": "3014728511382982850",
    "downgraded": True,
    "totalPrice": 0.0,
    "income": 0.0,
}
PACKED = {
    **ORDER,
    "orderId": "3014728511382982851",
    "id": "3014728511382982851",
    "status": "settled",
    "onlinePaid": False,
    "groups": [
        {
            "name": "1号篮子",
            "type": "normal",
            "items": [item(1, "米饭", 12.0, 2, extendCode="RICE")],
        },
        {"name": "其它费用", "type": "extra", "items": [item(-70000, "餐盒", 1.0, 2)]},
    ],
    "packageFee": 2.0,
    "deliverFee": 3.0,
    "activityTotal": -8.0,
    "shopPart": -8.0,
    "elemePart": 0.0,
    "hongbao": -2.0,
    "totalPrice": 19.0,
    "serviceFee": -2.7,
    # 19 + 2 of the packet − 2.70: the shop delivers itself and keeps the fee.
    "income": 18.3,
}


def message(kind: Any, request: str, content: Any, **more: Any) -> dict[str, Any]:
    return {
        "requestId": request,
        "type": kind,
        "appId": 65929831,
        "message": json.dumps(content, ensure_ascii=False),
        "shopId": SHOP,
        "timestamp": 1509365287868,
        "userId": 283166468248413847,
        **more,
    }


def state(kind: int, request: str, **more: Any) -> dict[str, Any]:
    content = {
        "orderId": ORDER_ID,
        "state": "settled",
        "shopId": SHOP,
        "updateTime": 1509365300,
        "role": 3,
        **more,
    }
    return message(kind, request, content)


THE_ORDER = {"till": "eleme", "order_id": ORDER_ID}
STATES = "dianj.com.cn/News/Detail/21258: the message of a changed state"

PUSHES = [
    Pushed(
        name="a new order",
        document=RECORDED,
        body=message(10, "200007211657667333", ORDER),
        store_code="156898280",
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "open",
                    "total": "17",
                    "currency": "CNY",
                    "platform": "eleme",
                    "channel": "delivery",
                    "ticket": "6",
                    "placed_at": "2017-10-30T20:08:07+08:00",
                    "phone_last4": "1539",
                    "note": "少辣 电话…",
                    "bill": [
                        {
                            "kind": "discount",
                            "amount": "10",
                            "platform": "2",
                            "name": "在线支付立减优惠",
                        },
                        {
                            "kind": "charge",
                            "amount": "3",
                            "platform": "3",
                            "code": "delivery",
                        },
                    ],
                },
            ),
            (
                "payment.stated",
                {
                    **THE_ORDER,
                    "payment_id": f"{ORDER_ID}-payment",
                    "amount": "17",
                    "tender": "platform",
                },
            ),
            ("settlement.stated", {**THE_ORDER, "payout": "13.6", "commission": "2.4"}),
        ],
    ),
    Pushed(
        name="a downgraded order, whose amounts were fetched",
        document=f"{RECORDED}; dianj.com.cn/News/Detail/21302: the fields that are 0",
        body=message(10, "200007211657667334", DOWNGRADED),
        details={**ORDER, "orderId": "3014728511382982850", "id": "3014728511382982850"},
        expect=[
            ("order.stated", {"order_id": "3014728511382982850", "total": "17"}),
            ("payment.stated", {"amount": "17"}),
            ("settlement.stated", {"payout": "13.6"}),
        ],
    ),
    Pushed(
        name="a completed order with packing, a red packet, and a shop that delivers itself",
        document=f"{RECORDED}, changed; that packing has a basket of its own of the type extra, "
        "and that Eleme bears the red packet, are guesses",
        body=message(10, "200007211657667335", PACKED),
        expect=[
            (
                "order.stated",
                {
                    "status": "closed",
                    "total": "19",
                    "bill": [
                        {"kind": "discount", "amount": "8", "name": "在线支付立减优惠"},
                        {
                            "kind": "discount",
                            "amount": "2",
                            "platform": "2",
                            "code": "hongbao",
                        },
                        {"kind": "charge", "amount": "2", "code": "packing"},
                        {"kind": "charge", "amount": "3", "code": "delivery"},
                    ],
                },
            ),
            ("settlement.stated", {"payout": "18.3", "commission": "2.7", "final": True}),
        ],
    ),
    Pushed(
        name="an order that the store accepted",
        document=STATES,
        body=state(12, "10135"),
        store_code="156898280",
        expect=[("order.status_changed", {**THE_ORDER, "status": "accepted", "by": "store"})],
    ),
    Pushed(
        name="a courier who is on the way",
        document="dianj.com.cn/News/Detail/21260: the message of a courier, in milliseconds",
        body=message(
            "55",
            "8526",
            {
                "orderId": ORDER_ID,
                "shopId": SHOP,
                "state": "delivering",
                "subState": "noSubstate",
                "phone": "13988886666",
                "updateAt": 1509365900000,
            },
        ),
        expect=[("order.status_changed", {**THE_ORDER, "status": "delivering"})],
    ),
    Pushed(
        name="a completed order",
        document=STATES,
        body=state(18, "10136", updateTime=1509367000, role=9),
        expect=[("order.status_changed", {**THE_ORDER, "status": "closed", "by": "completion"})],
    ),
    Pushed(
        name="an order that is no more, which was fetched",
        document=f"{STATES}; dianj.com.cn/News/Detail/20722: type 17",
        body=state(17, "10137", updateTime=1509365400, role=1),
        details=ORDER,
        expect=[
            ("order.status_changed", {**THE_ORDER, "status": "cancelled", "by": "guest"}),
            (
                "refund.stated",
                {**THE_ORDER, "refund_id": f"{ORDER_ID}-cancelled", "amount": "17"},
            ),
        ],
    ),
    Pushed(
        name="an agreed cancellation",
        document="dianj.com.cn/News/Detail/21258: the message of a refund",
        body=message(
            "23",
            "7637",
            {
                "orderId": ORDER_ID,
                "refundStatus": "successful",
                "reason": "不想要了",
                "shopId": SHOP,
                "goodsList": [],
                "totalPrice": 17.0,
                "updateTime": 1509365390,
            },
        ),
        expect=[
            ("order.status_changed", {"status": "cancelled", "reason": "不想要了"}),
            ("refund.stated", {"refund_id": f"{ORDER_ID}-cancelled", "amount": "17"}),
        ],
    ),
    Pushed(
        name="an agreed refund of some goods",
        document="dianj.com.cn/News/Detail/21258: the message of a refund; the goods' fields are "
        "those of the SDK's Item",
        body=message(
            33,
            "7638",
            {
                "orderId": ORDER_ID,
                "refundStatus": "successful",
                "reason": "冷了",
                "shopId": SHOP,
                "goodsList": [{"name": "台湾烤肠", "quantity": 1, "price": 5.0}],
                "refundType": "part",
                "totalPrice": 5.0,
                "updateTime": 1509369999,
            },
        ),
        expect=[
            (
                "refund.stated",
                {
                    **THE_ORDER,
                    "refund_id": "7638",
                    "amount": "5",
                    "lines": [{"name": "台湾烤肠", "quantity": "1", "amount": "5"}],
                },
            )
        ],
    ),
    Pushed(
        name="a refund that a guest asks for",
        document="dianj.com.cn/News/Detail/21258: type 30",
        body=message("30", "7639", {"orderId": ORDER_ID, "refundStatus": "applied"}),
        expect=[],
    ),
    Pushed(
        name="a shop that is no more authorised",
        document="dianj.com.cn/News/Detail/21265: type 100",
        body=message(
            100, "1508323693997357", {"shopId": SHOP, "appId": 23388475, "appName": "cesqye"}
        ),
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    stamped = {**body, "timestamp": int(now.timestamp() * 1000)}
    return json.dumps(stamped, ensure_ascii=False).encode()


def sign(body: bytes, credentials: Any) -> Received:
    try:
        fields = json.loads(body)
        pairs = sorted(fields.items())
        signed = "".join(f"{name}={value}" for name, value in pairs) + credentials["app_secret"]
        fields["signature"] = hashlib.md5(signed.encode()).hexdigest().upper()
        body = json.dumps(fields, ensure_ascii=False).encode()
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    return Received(method="POST", url=ADDRESS, headers={}, body=body)


CASE = PlatformCase(
    platform=Eleme(),
    credentials={
        "app_secret": "s3cret",
        "app_id": "4511",
        "app_key": "key",
        "access_token": "token",
        "api_url": "",
    },
    secret="app_secret",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(body={"message": "ok"}),
    resent_for=24 * 3600,
)
