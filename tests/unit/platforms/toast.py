"""Toast: the envelope, the order and the stock events are the examples of its developer guide,
with selections and amounts of ours."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from typing import Any

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.toast import Toast
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

GUIDE = "doc.toasttab.com, devOrdersWebhookRef.html"
ORDER_ID = "f6d98b95-2816-4f54-b1ab-7a5d71e83769"
RESTAURANT = "0cd990c9-fd74-461d-8468-de2a0919ccbb"


def reference(guid: str, kind: str) -> dict[str, Any]:
    return {"guid": guid, "entityType": kind, "externalId": None}


def order(**more: Any) -> dict[str, Any]:
    return {
        "guid": ORDER_ID,
        "entityType": "Order",
        "server": reference("909523c3-5bf9-4bad-a3b9-68c4ce3c05e9", "RestaurantUser"),
        "source": "In Store",
        "businessDate": 20240401,
        "voided": False,
        "deleted": False,
        "approvalStatus": "APPROVED",
        "deliveryInfo": None,
        "curbsidePickupInfo": None,
        "table": None,
        "numberOfGuests": 1,
        "openedDate": "2024-04-01T15:09:30.223+0000",
        "modifiedDate": "2024-04-01T15:10:59.817+0000",
        "closedDate": None,
        "promisedDate": None,
        "checks": [check()],
        **more,
    }


def check(**more: Any) -> dict[str, Any]:
    return {
        "guid": "cd39b62e-363b-4029-98f1-f3dc91f00df4",
        "entityType": "Check",
        "displayNumber": "2",
        "payments": [],
        "appliedDiscounts": [],
        "appliedServiceCharges": [],
        "selections": [],
        "voided": False,
        "deleted": False,
        "paymentStatus": "OPEN",
        "amount": 0,
        "taxAmount": 0,
        "totalAmount": 0,
        "modifiedDate": "2024-04-01T15:10:59.833+0000",
        "customer": None,
        **more,
    }


BURGER = {
    "guid": "sel-1",
    "item": reference("1e199622-ccbf-4ba8-8c37-111519dca13b", "MenuItem"),
    "displayName": "Burger",
    "quantity": 2.0,
    # Of both pieces with their cheese; the discount of the check has reduced the price.
    "preDiscountPrice": 24.0,
    "price": 21.6,
    "tax": 1.92,
    "voided": False,
    "deferred": False,
    "appliedDiscounts": [],
    "modifiers": [
        {"guid": "mod-1", "displayName": "Cheese", "quantity": 1.0, "price": 3.0, "modifiers": []}
    ],
}
TEA = {
    "guid": "sel-2",
    "displayName": "Tea",
    "quantity": 3.0,
    "preDiscountPrice": 10.0,
    "price": 9.0,
    "voided": False,
    "appliedDiscounts": [{"name": "Happy hour", "discountAmount": 1.0}],
}
VOIDED = {"guid": "sel-3", "displayName": "Soup", "quantity": 1.0, "price": 5.0, "voided": True}
CARD = {"guid": "gift", "displayName": "Gift card", "price": 20.0, "deferred": True}
CHARGED = {
    "selections": [BURGER, TEA, VOIDED, CARD],
    "appliedDiscounts": [{"name": "Ten off", "discountAmount": 2.4}],
    "appliedServiceCharges": [
        {"name": "Large party", "chargeAmount": 4.32, "gratuity": True},
        {"name": "Rounding", "chargeAmount": -0.04, "serviceChargeCategory": "CASH_ROUNDING"},
    ],
    "amount": 54.88,
    "taxAmount": 1.92,
    "totalAmount": 56.8,
}
PAID = {
    "guid": "pay-1",
    "type": "CREDIT",
    "amount": 56.8,
    "tipAmount": 5.0,
    "paymentStatus": "CAPTURED",
    "paidBusinessDate": 20240401,
    "originalProcessingFee": 1.42,
}
REFUNDED = {
    **PAID,
    "refund": {
        "refundAmount": 3.3,
        "tipRefundAmount": 0.0,
        "refundBusinessDate": 20240402,
        "refundTransaction": reference("tx-1", "RefundTransaction"),
    },
}
RETURNED_TEA = {
    **TEA,
    "refundDetails": {
        "refundAmount": 3.0,
        "taxRefundAmount": 0.3,
        "refundTransaction": reference("tx-1", "RefundTransaction"),
    },
}


def updated(guid: str, content: dict[str, Any]) -> dict[str, Any]:
    return envelope("order_updated", guid, {"restaurantGuid": RESTAURANT, "order": content})


def envelope(kind: str, guid: str, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "timestamp": "2024-04-01T15:11:01.050Z",
        "eventCategory": kind,
        "eventType": kind,
        "guid": guid,
        "details": details,
    }


def stock(kind: str, guid: str, **more: Any) -> dict[str, Any]:
    item = "1e199622-ccbf-4ba8-8c37-111519dca13b"
    details = {"itemGuid": item, "restaurantGuid": RESTAURANT, **more}
    return {**envelope(kind, guid, details), "eventCategory": "stock"}


THE_ORDER = {"till": "toast", "order_id": ORDER_ID}
OLD = {"modifiedDate": "2024-04-01T15:40:00.000+0000"}
LATER = {"modifiedDate": "2024-04-02T09:00:00.000+0000"}

PUSHES = [
    Pushed(
        name="an order without anything yet",
        document=f"{GUIDE}: example 9.3",
        body=updated("534bf25a-0001", order()),
        store_code=RESTAURANT,
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "lines": [],
                    "total": "0",
                    "status": "open",
                    "ticket": "2",
                    "guests": 1,
                    "business_day": "2024-04-01",
                    "placed_at": "2024-04-01T15:09:30.223000+00:00",
                    "staff": "909523c3-5bf9-4bad-a3b9-68c4ce3c05e9",
                },
            )
        ],
    ),
    Pushed(
        name="an order with discounts of the check and of a line",
        document=f"{GUIDE}, and the Order schema; that preDiscountPrice is of all pieces with "
        "their modifiers, and that a gratuity is part of totalAmount, are guesses",
        body=updated(
            "534bf25a-0002",
            order(
                checks=[
                    check(paymentStatus="CLOSED", payments=[PAID], **OLD, **CHARGED),
                    check(guid="gone", deleted=True, totalAmount=99),
                ],
                closedDate="2024-04-01T15:40:00.000+0000",
            ),
        ),
        store_code=RESTAURANT,
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "closed",
                    "total": "56.8",
                    "bill": [
                        {"kind": "discount", "amount": "2.4", "name": "Ten off"},
                        {
                            "kind": "charge",
                            "amount": "4.32",
                            "name": "Large party",
                            "code": "gratuity",
                        },
                        {"kind": "rounding", "amount": "-0.04", "name": "Rounding"},
                        {"kind": "tax", "amount": "1.92"},
                    ],
                },
            ),
            (
                "payment.stated",
                {
                    **THE_ORDER,
                    "payment_id": "pay-1",
                    "amount": "56.8",
                    "tip": "5",
                    "fee": "1.42",
                    "tender": "card",
                    "status": "completed",
                    "business_day": "2024-04-01",
                },
            ),
        ],
    ),
    Pushed(
        name="a refund of a line, a day later",
        document="Order schema: Refund, RefundDetails; that there is one refund a payment is a "
        "guess",
        body=updated(
            "534bf25a-0003",
            order(
                checks=[
                    check(
                        paymentStatus="CLOSED",
                        payments=[REFUNDED],
                        **LATER,
                        **{**CHARGED, "selections": [BURGER, RETURNED_TEA, VOIDED, CARD]},
                    )
                ]
            ),
        ),
        expect=[
            ("order.stated", {**THE_ORDER, "total": "56.8"}),
            ("payment.stated", {"payment_id": "pay-1", "amount": "56.8"}),
            (
                "refund.stated",
                {
                    **THE_ORDER,
                    "refund_id": "pay-1-tx-1",
                    "payment_id": "pay-1",
                    "amount": "3.3",
                    "business_day": "2024-04-02",
                    "lines": [{"line_id": "sel-2", "amount": "3.3", "name": "Tea"}],
                },
            ),
        ],
    ),
    Pushed(
        name="an order that was combined into another one",
        document="Order schema: deleted",
        body=updated("534bf25a-0004", order(deleted=True, checks=[check(deleted=True)])),
        expect=[("order.stated", {**THE_ORDER, "status": "merged"})],
    ),
    Pushed(
        name="an order by its id alone",
        document="a guess: orders_updated is in the list of events, its form is not public",
        body=envelope("orders_updated", "534bf25a-0005", {"orderGuid": ORDER_ID}),
        headers={"toast-restaurant-external-id": RESTAURANT},
        details=order(voided=True, checks=[check(voided=True, selections=[BURGER])]),
        store_code=RESTAURANT,
        expect=[("order.stated", {**THE_ORDER, "status": "voided", "total": "0"})],
    ),
    Pushed(
        name="a dish that is sold out",
        document="doc.toasttab.com, apiStockWebhook.html: example 9.15",
        body=stock("out_of_stock", "e445f586-0001", status="OUT_OF_STOCK"),
        store_code=RESTAURANT,
        expect=[
            ("item.sold_out", {"dish": "1e199622-ccbf-4ba8-8c37-111519dca13b", "till": "toast"})
        ],
    ),
    Pushed(
        name="a dish of which some are left",
        document="doc.toasttab.com, apiStockWebhook.html: example 9.16",
        body=stock("low_quantity", "e445f586-0002", status="QUANTITY", quantity=5.0),
        expect=[("item.available", {"dish": "1e199622-ccbf-4ba8-8c37-111519dca13b"})],
    ),
    Pushed(
        name="another menu",
        document="doc.toasttab.com, apiMenusWebhook.html: only that there was a change",
        body=envelope("menus_updated", "e445f586-0003", {"restaurantGuid": RESTAURANT}),
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return json.dumps({**body, "timestamp": stamp}).encode()


def sign(body: bytes, credentials: Any) -> Received:
    try:
        stamp = json.loads(body)["timestamp"]
    except (ValueError, KeyError, TypeError, RecursionError):
        stamp = ""
    message = body + str(stamp).encode("utf-8", "backslashreplace")
    made = hmac.new(credentials["secret"].encode(), message, hashlib.sha256).digest()
    headers = {"toast-signature": base64.b64encode(made).decode()}
    return Received(method="POST", url=ADDRESS, headers=headers, body=body)


CASE = PlatformCase(
    platform=Toast(),
    credentials={"secret": "s3cret", "client_id": "id", "client_secret": "other", "api_url": ""},
    secret="secret",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(),
    resent_for=15 * 60,
)
