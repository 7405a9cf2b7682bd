"""Meituan: an order that a public repository recorded, in the form in which the delivery platform
pushes it. Names, addresses and telephone numbers are ours."""

import datetime as dt
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.meituan import Meituan
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

RECORDED = (
    "an order in a public repository (poiReceiveDetail, file id 27643284546); the names of the "
    "fields are those of MtOpenOrder.php"
)
ORDER_ID = "59309931191316390"
SHOP = "1708Z1956"


def item(name: str, price: float, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "app_food_code": name,
        "food_name": name,
        "box_num": 1,
        "box_price": 0,
        "cart_id": 0,
        "food_discount": 1,
        "food_property": "",
        "price": price,
        "quantity": quantity,
        "sku_id": "",
        "spec": "",
        "unit": "",
        **more,
    }


def account(**more: Any) -> str:
    found = {
        "actOrderChargeByMt": [
            {
                "comment": "活动款",
                "feeTypeDesc": "活动款",
                "feeTypeId": 10019,
                "moneyCent": 1700,
            }
        ],
        "actOrderChargeByPoi": [],
        "foodShareFeeChargeByPoi": 900,
        "logisticsFee": 0,
        "onlinePayment": 3300,
        "wmPoiReceiveCent": 4100,
        **more,
    }
    return json.dumps(found, ensure_ascii=False)


def extra(amount: float, by_platform: float, remark: str) -> dict[str, Any]:
    return {
        "reduce_fee": amount,
        "mt_charge": by_platform,
        "poi_charge": amount - by_platform,
        "remark": remark,
        "type": 2,
    }


ORDER = {
    "app_id": "3987",
    "app_poi_code": SHOP,
    "order_id": ORDER_ID,
    "wm_order_id_view": ORDER_ID,
    "ctime": "1545121520",
    "utime": "1545121520",
    "delivery_time": "0",
    "caution": "不要辣 收餐人隐私号 18689114387_3473，手机号 138****4024",
    "day_seq": "1",
    "detail": json.dumps(
        [
            item("鸡丁培根炒饭", 15),
            item("培根鸡柳炒饭", 15),
            item("鸡排热狗炒饭", 15),
            item("老火白粥", 5),
        ],
        ensure_ascii=False,
    ),
    "dinners_number": "0",
    "extras": json.dumps(
        [extra(9, 9, "满50.0元减9.0元"), extra(8, 8, "用户使用了支付红包减8元"), {}],
        ensure_ascii=False,
    ),
    "has_invoiced": "0",
    "invoice_title": "",
    "logistics_code": "1004",
    "original_price": "50.0",
    "pay_type": "2",
    "poi_receive_detail": account(),
    "recipient_address": "御花园@#三清公园",
    "recipient_name": "顾客(先生)",
    "recipient_phone": "13800004024",
    "shipping_fee": "0.0",
    "status": "2",
    "total": "33.0",
}
DELIVERED = {
    **ORDER,
    "order_id": "12341234",
    "wm_order_id_view": "12343412344",
    "utime": "1545125000",
    "status": "8",
    "pay_type": "1",
    "pick_type": "0",
    "dinners_number": "2",
    "detail": json.dumps(
        [item("RICE", 10, 2, spec="大份", food_property="中辣,微甜", box_num=2, box_price=1)],
        ensure_ascii=False,
    ),
    "package_bag_money": "50",
    "shipping_fee": "5",
    "extras": json.dumps([extra(2.5, 1.5, "满10元减2.5元"), {"rider_fee": 10}], ensure_ascii=False),
    "total": "25.0",
    # 25 + 1.50 − 5 of the delivery that Meituan keeps − 3.90
    "poi_receive_detail": account(
        actOrderChargeByMt=[{"moneyCent": 150}],
        foodShareFeeChargeByPoi=390,
        onlinePayment=0,
        wmPoiReceiveCent=1760,
    ),
}


def about(**more: Any) -> dict[str, Any]:
    return {"app_id": "3987", "app_poi_code": SHOP, "order_id": ORDER_ID, **more}


THE_ORDER = {"till": "meituan", "order_id": ORDER_ID}
KINDS = "support.hexcloud.cn/topic/2195"

PUSHES = [
    Pushed(
        name="a new order",
        document=RECORDED,
        body=ORDER,
        store_code=SHOP,
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "open",
                    "total": "33",
                    "currency": "CNY",
                    "platform": "meituan",
                    "channel": "delivery",
                    "ticket": "1",
                    "note": "不要辣",
                    "phone_last4": "4024",
                    "placed_at": "2018-12-18T08:25:20+00:00",
                    "bill": [
                        {
                            "kind": "discount",
                            "amount": "9",
                            "platform": "9",
                            "name": "满50.0元减9.0元",
                        },
                        {
                            "kind": "discount",
                            "amount": "8",
                            "platform": "8",
                            "name": "用户使用了支付红包减8元",
                        },
                    ],
                },
            ),
            (
                "payment.stated",
                {**THE_ORDER, "amount": "33", "tender": "platform", "currency": "CNY"},
            ),
            ("settlement.stated", {**THE_ORDER, "payout": "41", "commission": "9"}),
        ],
    ),
    Pushed(
        name="a completed order that the guest pays at the door",
        document="fields of mtwmsdk's models; the amounts are ours",
        body=DELIVERED,
        store_code=SHOP,
        expect=[
            (
                "order.stated",
                {
                    "order_id": "12341234",
                    "status": "closed",
                    "total": "25",
                    "guests": 2,
                    "bill": [
                        {
                            "kind": "discount",
                            "amount": "2.5",
                            "platform": "1.5",
                            "name": "满10元减2.5元",
                        },
                        {"kind": "charge", "amount": "2", "code": "packing"},
                        {"kind": "charge", "amount": "0.5", "code": "bag"},
                        {
                            "kind": "charge",
                            "amount": "5",
                            "platform": "5",
                            "code": "delivery",
                        },
                    ],
                },
            ),
            ("settlement.stated", {"payout": "17.6", "commission": "3.9", "final": True}),
        ],
    ),
    Pushed(
        name="a cancellation",
        document=f"{KINDS}: reason codes",
        body=about(reason_code="1103", reason="用户取消，用户退款取消"),
        details=ORDER,
        store_code=SHOP,
        expect=[
            (
                "order.status_changed",
                {**THE_ORDER, "status": "cancelled", "reason": "用户取消，用户退款取消"},
            ),
            ("refund.stated", {"refund_id": f"{ORDER_ID}-whole", "amount": "33"}),
        ],
    ),
    Pushed(
        name="an agreed refund of the whole order",
        document=f"{KINDS}: notify types",
        body=about(notify_type="agree", reason="冷了"),
        details=ORDER,
        expect=[
            (
                "refund.stated",
                {**THE_ORDER, "refund_id": f"{ORDER_ID}-whole", "amount": "33"},
            )
        ],
    ),
    Pushed(
        name="an agreed refund of some food",
        document=f"{KINDS}: notify types; that money and food name the part is a guess",
        body=about(
            notify_type="agree",
            refund_id="900001",
            money="5.0",
            food=json.dumps([{"food_name": "老火白粥", "count": 1, "food_price": 5}]),
        ),
        expect=[
            (
                "refund.stated",
                {
                    "refund_id": "900001",
                    "amount": "5",
                    "lines": [{"name": "老火白粥", "quantity": "1", "amount": "5"}],
                },
            )
        ],
    ),
    Pushed(
        name="a refund that a guest asks for",
        document=f"{KINDS}: notify types",
        body=about(notify_type="apply", reason="冷了"),
        expect=[],
    ),
    Pushed(
        name="a courier who has the food",
        document=f"{KINDS}: logistics statuses",
        body=about(logistics_status="20", dispatcher_mobile="13900000000"),
        expect=[("order.status_changed", {**THE_ORDER, "status": "delivering"})],
    ),
    Pushed(
        name="a guest who asks where the food is",
        document="MtOpenUnit.php: reminder",
        body=about(remind_time="1545121999"),
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    """Values are encoded, and the form encodes them again."""
    stamped = {**body, "timestamp": str(int(now.timestamp()))}
    return urlencode({name: quote(str(value)) for name, value in stamped.items()}).encode()


def sign(body: bytes, credentials: Any) -> Received:
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True))
    except UnicodeDecodeError:
        return Received(method="POST", url=ADDRESS, headers={}, body=body)
    pairs = "&".join(f"{name}={unquote(value)}" for name, value in sorted(fields.items()))
    signed = f"{ADDRESS}?{pairs}{credentials['app_secret']}"
    sig = hashlib.md5(signed.encode("utf-8", "backslashreplace")).hexdigest()
    return Received(method="POST", url=ADDRESS, headers={}, body=body + f"&sig={sig}".encode())


CASE = PlatformCase(
    platform=Meituan(),
    credentials={"app_id": "3987", "app_secret": "s3cret", "api_url": ""},
    secret="app_secret",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(body={"data": "ok"}),
    refusal=Answer(status=403, body={"data": "ng"}),
    resent_for=24 * 3600,
)
