"""Deliverect: a test order that a public repository recorded, and the examples of its pages."""

import datetime as dt
import hashlib
import hmac
import json
from typing import Any

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.deliverect import Deliverect
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

ORDER_ID = "61ba5c8a92a410f539359b3a"
LOCATION = "5bf02f38c6489f002c000001"


def item(plu: str, name: str, price: int, quantity: int = 1, *parts: Any) -> dict[str, Any]:
    return {
        "plu": plu,
        "name": name,
        "price": price,
        "quantity": quantity,
        "subItems": list(parts),
    }


SALMON = item("M-SO-CVXz-161", "Sockeye Salmon(Wild)", 455)
HALO_SALMON = item("M-SO-YXIz-8", "Sockeye Salmon(Wild)", 225)
RECORDED: dict[str, Any] = {
    "_id": ORDER_ID,
    "_created": "2021-12-15T21:22:18.671000Z",
    "_updated": "2021-12-15T21:22:22.203000Z",
    "account": "615f77ac4b260a6857698250",
    "location": LOCATION,
    "channelOrderId": "TEST1639603339",
    "channelOrderDisplayId": "TEST1639603339",
    "status": 20,
    "orderType": 2,
    "channel": 10,
    "pickupTime": "2021-12-15T21:22:19Z",
    "deliveryTime": "2021-12-15T21:22:19Z",
    "customer": {"name": "A Guest", "phoneNumber": "+14035550199"},
    "orderIsAlreadyPaid": True,
    "taxes": [{"name": "taxes", "taxClassId": 0, "total": 1107}],
    "taxTotal": 1107,
    "payment": {"amount": 27077, "type": 0, "due": 0},
    "note": 'This is a test order "test", call 14035550199',
    "items": [
        item("46774688", "★Chef's Choice Sashimi 12pc", 4265),
        item("46774892", "Atlantic Salmon Nigiri", 320, 12),
        item("46770005", "Sprout 2-3ppl", 6120, 1, SALMON),
        item("46769986", "Green Halo", 1910, 1, HALO_SALMON),
        item("46769986", "Green Halo", 1910),
        item("46770008", "Prawn Tempura", 1305),
        item("140031761", "★Sweet Potato Panna Cotta", 460),
        item("1190275063", "Sapporo Bottle - 3 pack", 1740),
        item("1190275064", "Sapporo Bottle", 725),
        item("1190275066", "Masumi White 300ml", 3015),
    ],
    "decimalDigits": 2,
    "numberOfCustomers": 1,
    "serviceCharge": 0,
    "deliveryCost": 0,
    "bagFee": 0,
    "tip": 0,
    "driverTip": 0,
    "discountTotal": 0,
}
DISCOUNTED: dict[str, Any] = {
    "_id": "6655bf36f231f2d853bca910",
    "_created": "2024-05-28T11:20:00.000000Z",
    "_updated": "2024-05-28T11:20:05.000000Z",
    "location": LOCATION,
    "channelOrderId": "3298346",
    "channelOrderDisplayId": "8346",
    "status": 1,
    "orderType": 1,
    "channel": 7,
    "orderIsAlreadyPaid": False,
    "payment": {"amount": 1250, "type": 1},
    "items": [
        item("2500000009969", "Tuna Poke", 1000, 2, item("B-19545", "Extra tuna", 100, 1)),
    ],
    "discounts": [
        {
            "type": "order_flat_off",
            "provider": "channel",
            "name": "Test discount",
            "amount": 1000,
            "amountRestaurant": 600,
            "amountChannel": 400,
        }
    ],
    "discountTotal": -1000,
    "bagFee": 50,
    "taxTotal": 113,
    "tip": 0,
    "decimalDigits": 2,
}
TIPPED = {
    **DISCOUNTED,
    "_id": "6655bf36f231f2d853bca911",
    "orderType": 3,
    "orderIsAlreadyPaid": True,
    "discountTotal": -900,
    "tip": 200,
    "payment": {"amount": 1550, "type": 3},
}
REBATED = {
    **DISCOUNTED,
    "_id": "6655bf36f231f2d853bca912",
    "orderIsAlreadyPaid": True,
    "discounts": [],
    "discountTotal": 0,
    "taxTotal": 0,
    "payment": {"amount": 2250, "type": 3, "due": 0, "rebate": 400, "commissionType": "regular"},
}
THE_ORDER = {"till": "deliverect", "order_id": ORDER_ID}


def status(number: int, **more: Any) -> dict[str, Any]:
    return {
        "orderId": ORDER_ID,
        "status": number,
        "timeStamp": "2021-12-15T21:30:00.000000Z",
        "receiptId": "",
        "reason": "",
        "channelOrderId": "TEST1639603339",
        "location": LOCATION,
        **more,
    }


PUSHES = [
    Pushed(
        name="an order whose taxes are added",
        document="a test order in a public repository (SambaPOS, file id 31403024157); the guest "
        "and the location are ours",
        body=RECORDED,
        store_code=LOCATION,
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "accepted",
                    "total": "270.77",
                    "platform": "skip",
                    "channel": "delivery",
                    "ticket": "TEST1639603339",
                    "guests": 1,
                    "phone_last4": "0199",
                    "note": 'This is a test order "test", call …',
                    "bill": [{"kind": "tax", "amount": "11.07", "name": "taxes"}],
                },
            ),
            (
                "payment.stated",
                {**THE_ORDER, "amount": "270.77", "tender": "card"},
            ),
        ],
    ),
    Pushed(
        name="an order with a discount that the platform shares, whose prices include the tax",
        document="developers.deliverect.com, how-are-discounts-sent; the amounts are ours",
        body=DISCOUNTED,
        store_code=LOCATION,
        expect=[
            (
                "order.stated",
                {
                    "order_id": "6655bf36f231f2d853bca910",
                    "status": "open",
                    "total": "12.5",
                    "channel": "takeaway",
                    "platform": "channel-7",
                    "bill": [
                        {
                            "kind": "discount",
                            "amount": "10",
                            "name": "Test discount",
                            "platform": "4",
                        },
                        {"kind": "charge", "amount": "0.5", "code": "bag"},
                        {"kind": "tax", "amount": "1.13", "included": True},
                    ],
                },
            )
        ],
    ),
    Pushed(
        name="an order whose payment holds the tip, and whose discounts are not all named",
        document="developers.deliverect.com, payments; that the tip is in the payment is a guess",
        body=TIPPED,
        expect=[
            (
                "order.stated",
                {
                    "total": "13.5",
                    "channel": "dine_in",
                    "bill": [
                        {"kind": "discount", "amount": "9"},
                        {"kind": "charge", "amount": "0.5", "code": "bag"},
                        {"kind": "tax", "amount": "1.13", "included": True},
                    ],
                },
            ),
            ("payment.stated", {"amount": "13.5", "tip": "2", "tender": "platform"}),
        ],
    ),
    Pushed(
        name="a cancellation by the channel",
        document="developers.deliverect.com, changelog/channel-cancellations",
        body={**RECORDED, "status": 100, "_updated": "2021-12-15T21:40:00.000000Z"},
        expect=[
            ("order.stated", {**THE_ORDER, "status": "cancelled"}),
            ("payment.stated", {**THE_ORDER, "amount": "270.77", "status": "cancelled"}),
        ],
    ),
    Pushed(
        name="an order with a rebate of the channel",
        document="developers.deliverect.com, changelog/channel-generated-discounts; the amounts "
        "are ours",
        body=REBATED,
        expect=[
            (
                "order.stated",
                {
                    "total": "18.5",
                    "bill": [
                        {"kind": "discount", "amount": "4", "platform": "4", "code": "rebate"},
                        {"kind": "charge", "amount": "0.5", "code": "bag"},
                    ],
                },
            ),
            ("payment.stated", {"amount": "18.5", "tender": "platform"}),
        ],
    ),
    Pushed(
        name="a status",
        document="developers.deliverect.com, reference/channel_order_status",
        body=status(70),
        store_code=LOCATION,
        expect=[("order.status_changed", {**THE_ORDER, "status": "ready"})],
    ),
    Pushed(
        name="a refusal of the restaurant",
        document="developers.deliverect.com, reference/channel_order_status",
        body=status(35, reason="closed", timeStamp="2021-12-15T21:31:00.000000Z"),
        expect=[
            ("order.status_changed", {**THE_ORDER, "status": "rejected", "reason": "closed"}),
            ("payment.stated", {**THE_ORDER, "amount": "0", "status": "cancelled"}),
        ],
    ),
    Pushed(
        name="a status of the till that was not applied to the order",
        document="developers.deliverect.com, store-api_order_status_event: isIgnoredPOSStatus",
        body=status(110, isIgnoredPOSStatus=True, timeStamp="2021-12-15T21:29:00.000000Z"),
        expect=[],
    ),
    Pushed(
        name="a registration of a till",
        document="developers.deliverect.com, POS Registration",
        body={"accountId": "5be9c971c6489f0029000001", "locationId": LOCATION},
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    return json.dumps(body).encode()


def sign(body: bytes, credentials: Any) -> Received:
    made = hmac.new(credentials["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-server-authorization-hmac-sha256": made}
    return Received(method="POST", url=ADDRESS, headers=headers, body=body)


CASE = PlatformCase(
    platform=Deliverect(),
    credentials={"secret": "s3cret"},
    secret="secret",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(),
)
