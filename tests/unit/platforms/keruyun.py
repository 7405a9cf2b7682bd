"""Keruyun: the fields are those of a public SDK, the values are ours."""

import datetime as dt
import hashlib
import json
from typing import Any

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.keruyun import Keruyun
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

OPERATIONS = "open.keruyun.com, RseVEXQBzPVmqdQuz1r4.html: operations"
SDK = "loebfly/keruyun-sdk-go: OrderDetailResp"
GUESS = "that a push's tradeId is the orderId of the SDK is a guess"
TRADE = 234821460227816448
OLDER, REFUND = 234821460227816000, 234821460227819999
SHOP = "810094"


def pushed(operation: int, trade: int = TRADE, **more: Any) -> dict[str, Any]:
    return {"operation": operation, "tradeId": trade, "shopIdenty": int(SHOP), **more}


def dish(name: str, price: int, quantity: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "id": f"line-{name}",
        "itemCode": f"code-{name}",
        "itemName": name,
        "giftFlag": False,
        "saleStatusTypeCode": "NORMAL",
        "itemPrice": str(price),
        "salePrice": str(price),
        "quantity": quantity,
        "itemSaleAmt": str(int(price * float(quantity))),
        "practiceVoList": [],
        "children": [],
        **more,
    }


def paid(number: str, amount: int, method: int, **more: Any) -> dict[str, Any]:
    return {
        "payDetailNo": number,
        "payAmt": str(amount),
        "payMethodId": method,
        "platformServiceAmt": "0",
        "actualReceiveAmt": str(amount),
        "payDetailEndTime": "2026-03-02 13:10:00",
        **more,
    }


def answer(status: str, server_time: int, trade: int = TRADE, **more: Any) -> dict[str, Any]:
    base = {
        "shopId": SHOP,
        "orderId": str(trade),
        "busiOrderNo": "B001",
        "openTime": "2026-03-02 12:00:00",
        "settleTime": "",
        "finishBusiDate": "2026-03-02",
        "orderType": "FOR_HERE",
        "orderStatus": status,
        "orderAmt": "21290",
        "promoAmt": "3800",
        "orderReceivedAmt": "17490",
        "openOperatorName": "小王",
        "memberPhone": "13800001234",
        "orderPeopleCnt": "4",
        "serialNo": "17",
        "subject": "少盐",
        "relatedOrderId": "",
    }
    data = {
        "orderBaseVO": {**base, **more.pop("base", {})},
        "orderTableVoList": [{"tableName": "A1", "tableId": "1"}],
        "orderItemVoList": [
            dish("牛肉", 3800, "2", practiceVoList=[{"practiceName": "微辣", "practiceAmt": 0}]),
            dish("米饭", 300, "3"),
            dish("鱼", 8800),
            dish("套餐", 2400, children=[dish("汤", 800), dish("饭", 1600)]),
            dish("茶", 1800, giftFlag=True),
            dish("退菜", 500, saleStatusTypeCode="DISCARD"),
        ],
        "openOrderPromoVoList": [{"promoName": "会员券", "promoAmt": 3800}],
        "openExtraFeeVoList": [{"extraFeeName": "服务费", "extraFeeAmt": 1590}],
        "openPaymentDetailVoList": [],
        **more,
    }
    return {
        "success": True,
        "data": data,
        "extInfo": {"serverCurrentTimestamp": str(server_time)},
    }


THE_ORDER = {"till": "keruyun", "order_id": str(TRADE)}
PAYMENTS = [paid("P1", 10000, -5), paid("P2", 7490, -128)]

PUSHES = [
    Pushed(
        name="a new order",
        document=f"{OPERATIONS}; {SDK}; {GUESS}",
        body=pushed(1),
        details=answer("WAIT_SETTLED", 1772424000000),
        store_code=SHOP,
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "open",
                    "total": "174.9",
                    "currency": "CNY",
                    "channel": "dine_in",
                    "table": "A1",
                    "ticket": "17",
                    "guests": 4,
                    "placed_at": "2026-03-02T12:00:00",
                    "business_day": "2026-03-02",
                    "phone_last4": "1234",
                    "staff": "小王",
                    "bill": [
                        {"kind": "discount", "amount": "38", "name": "会员券"},
                        {
                            "kind": "charge",
                            "amount": "15.9",
                            "name": "服务费",
                            "code": "service",
                        },
                    ],
                },
            )
        ],
    ),
    Pushed(
        name="a settled order, part of it on account",
        document=f"{OPERATIONS}; {SDK}: payMethodId; that a payment with an end is paid is a guess",
        body=pushed(26),
        details=answer("5", 1772428200000, openPaymentDetailVoList=PAYMENTS),
        expect=[
            ("order.stated", {**THE_ORDER, "status": "closed", "total": "174.9"}),
            ("payment.stated", {"payment_id": "P1", "amount": "100", "tender": "wechat"}),
            ("payment.stated", {"payment_id": "P2", "amount": "74.9", "tender": "on_account"}),
        ],
    ),
    Pushed(
        name="an order of a platform",
        document=f"{OPERATIONS}; {SDK}: PLATFORM_TAKE_OUT, actualReceiveAmt",
        body=pushed(13, 1),
        details=answer(
            "ORDER_RECEIVED",
            1772424000000,
            1,
            base={"orderType": "PLATFORM_TAKE_OUT", "orderSource": "MEITUAN"},
            openPaymentDetailVoList=[
                paid("P3", 17490, -130, platformServiceAmt="-1490", actualReceiveAmt="16000")
            ],
        ),
        expect=[
            ("order.stated", {"order_id": "1", "platform": "MEITUAN", "channel": "delivery"}),
            ("payment.stated", {"payment_id": "P3", "fee": "14.9"}),
            ("settlement.stated", {"payout": "160", "commission": "14.9"}),
        ],
    ),
    Pushed(
        name="an order whose settlement was undone: another one replaces it",
        document="open.keruyun.com, fHMK4HUBczuQcdqkaRZo.html: 反结账",
        body=pushed(21, OLDER),
        details=answer("ANTI_SETTLED", 1772428300000, OLDER),
        expect=[("order.stated", {"order_id": str(OLDER), "status": "voided"})],
    ),
    Pushed(
        name="the order that replaces it",
        document=f"{SDK}: relatedOrderId",
        body=pushed(1, 5),
        details=answer("WAIT_SETTLED", 1772428300000, 5, base={"relatedOrderId": str(OLDER)}),
        expect=[("order.stated", {"order_id": "5", "replaces": str(OLDER)})],
    ),
    Pushed(
        name="a refund, which has an id of its own",
        document=f"{OPERATIONS} 19, 20; open.keruyun.com, fHMK4HUBczuQcdqkaRZo.html",
        body=pushed(19, REFUND, relatedTradeId=TRADE),
        details=answer(
            "REFUND",
            1772514600000,
            REFUND,
            base={"orderReceivedAmt": "-3600", "finishBusiDate": "2026-03-03", "subject": ""},
        ),
        expect=[
            (
                "refund.stated",
                {
                    **THE_ORDER,
                    "refund_id": str(REFUND),
                    "amount": "36",
                    "business_day": "2026-03-03",
                },
            )
        ],
    ),
    Pushed(
        name="orders that were merged",
        document=f"{OPERATIONS} 91: mergeTradeIds; that tradeId is the one that stays is a guess",
        body=pushed(91, mergeTradeIds=[OLDER, 7]),
        details=answer("WAIT_SETTLED", 1772425000000),
        expect=[
            ("order.stated", {**THE_ORDER, "status": "open"}),
            (
                "order.merged",
                {"till": "keruyun", "into": str(TRADE), "orders": [str(OLDER), "7"]},
            ),
        ],
    ),
    Pushed(
        name="a card that was topped up",
        document=f"{SDK}: MEMBER_STORE",
        body=pushed(26, 9),
        details=answer("SUCCESS", 1772425000000, 9, base={"orderType": "MEMBER_STORE"}),
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    return json.dumps(body).encode()


def sign(body: bytes, credentials: Any) -> Received:
    url = f"{ADDRESS}?secret={credentials['path_secret']}"
    return Received(method="POST", url=url, headers={}, body=body)


def answer_to(request: Received) -> Answer:
    identity = hashlib.blake2b(request.body, digest_size=16).hexdigest()
    return Answer(body={"code": 0, "message": "OK", "messageUuid": identity})


CASE = PlatformCase(
    platform=Keruyun(),
    credentials={
        "path_secret": "s3cret",
        "app_key": "key",
        "app_secret": "other",
        "api_url": "",
    },
    secret="path_secret",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(),
    answer_to=answer_to,
    body_is_signed=False,
)
