"""Square: the events are the examples of its API specification, with amounts of ours."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from typing import Any

from neural.hooks.platforms.base import Answer, Received
from neural.hooks.platforms.square import Square
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed

SPECIFICATION = "square/connect-api-specification, api.json"


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def thin(event: str, **more: Any) -> dict[str, Any]:
    about = {
        "created_at": "2020-04-16T23:14:26.129Z",
        "location_id": "FPYCBCHYMXFK1",
        "order_id": "eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
        "state": "OPEN",
        "updated_at": "2020-04-16T23:14:26.359Z",
        "version": 2,
        **more,
    }
    return envelope("order.updated", event, {"order_updated": about})


def envelope(kind: str, event: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "merchant_id": "5S9MXCS9Y99KK",
        "type": kind,
        "event_id": event,
        "created_at": "2020-04-16T23:14:26.359Z",
        "data": {"type": next(iter(content), ""), "id": "1", "object": content},
    }


ORDER: dict[str, Any] = {
    "id": "eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
    "location_id": "FPYCBCHYMXFK1",
    "state": "OPEN",
    "version": 2,
    "ticket_name": "17",
    "customer_id": "GUEST1",
    "created_at": "2020-04-16T23:14:26.129Z",
    "updated_at": "2020-04-16T23:14:26.359Z",
    "line_items": [
        {
            "uid": "1",
            "name": "Burger",
            "variation_name": "Large",
            "catalog_object_id": "BURGER",
            "quantity": "2",
            "item_type": "ITEM",
            "base_price_money": usd(1200),
            "modifiers": [
                {"uid": "2", "name": "Cheese", "quantity": "1", "base_price_money": usd(150)}
            ],
            "applied_discounts": [{"discount_uid": "d", "applied_money": usd(270)}],
            "total_discount_money": usd(270),
            "note": "no onions, call 4155550123",
        }
    ],
    "discounts": [
        {
            "uid": "d",
            "name": "Ten off",
            "percentage": "10",
            "scope": "ORDER",
            "applied_money": usd(270),
        }
    ],
    "service_charges": [
        {
            "name": "Gratuity",
            "type": "AUTO_GRATUITY",
            "percentage": "18",
            "applied_money": usd(437),
            "calculation_phase": "TOTAL_PHASE",
        }
    ],
    "taxes": [
        {"name": "Sales", "type": "ADDITIVE", "percentage": "8.875", "applied_money": usd(216)}
    ],
    "total_money": usd(3383),
    "total_tip_money": usd(300),
    "total_tax_money": usd(216),
    "fulfillments": [
        {"type": "PICKUP", "pickup_details": {"pickup_at": "2020-04-16T23:45:00.000Z"}}
    ],
}
CLOSED = {
    **ORDER,
    "state": "COMPLETED",
    "version": 12,
    "updated_at": "2020-04-16T23:50:00.000Z",
    "closed_at": "2020-04-16T23:50:00.000Z",
}
YEN: dict[str, Any] = {
    "id": "JPORDER",
    "state": "COMPLETED",
    "updated_at": "2020-04-16T23:14:26.359Z",
    "line_items": [
        {
            "uid": "1",
            "name": "弁当",
            "quantity": "1",
            "base_price_money": {"amount": 1100, "currency": "JPY"},
            # The tax is taken out of gross sales in Japan, but not out of the price.
            "gross_sales_money": {"amount": 1000, "currency": "JPY"},
        }
    ],
    "taxes": [
        {"name": "消費税", "type": "INCLUSIVE", "applied_money": {"amount": 100, "currency": "JPY"}}
    ],
    "total_money": {"amount": 1100, "currency": "JPY"},
}
DINAR: dict[str, Any] = {
    "id": "KWORDER",
    "state": "CANCELED",
    "updated_at": "2020-04-16T23:14:26.359Z",
    "line_items": [
        {
            "uid": "1",
            "quantity": "3",
            "item_type": "CUSTOM_AMOUNT",
            "base_price_money": {"amount": 1255, "currency": "KWD"},
        }
    ],
    "rounding_adjustment": {"amount_money": {"amount": -5, "currency": "KWD"}},
    "total_money": {"amount": 3760, "currency": "KWD"},
}
RETURN = {
    "id": "RETURN",
    "state": "COMPLETED",
    "updated_at": "2020-04-17T00:14:26.359Z",
    "returns": [{"source_order_id": ORDER["id"]}],
    "total_money": usd(0),
}
EXCHANGE: dict[str, Any] = {
    "id": "EXCHANGE",
    "location_id": "FPYCBCHYMXFK1",
    "state": "COMPLETED",
    "updated_at": "2020-04-17T00:20:00.000Z",
    "line_items": [
        {
            "uid": "1",
            "name": "Sandwich",
            "quantity": "1",
            "item_type": "ITEM",
            "base_price_money": usd(1000),
            "variation_total_price_money": usd(1000),
        }
    ],
    "returns": [
        {
            "source_order_id": ORDER["id"],
            "return_line_items": [
                {
                    "uid": "r1",
                    "source_line_item_uid": "1",
                    "name": "Americano",
                    "quantity": "1",
                    "item_type": "ITEM",
                    "base_price_money": usd(500),
                    "variation_total_price_money": usd(500),
                    "total_tax_money": usd(50),
                    "total_money": usd(550),
                }
            ],
            "return_amounts": {"total_money": usd(600), "service_charge_money": usd(50)},
        }
    ],
    "return_amounts": {"total_money": usd(600), "tip_money": usd(0)},
    "net_amounts": {"total_money": usd(400), "tip_money": usd(0)},
    "net_amount_due_money": usd(0),
    "total_money": usd(1000),
}
WEIGHED: dict[str, Any] = {
    "id": "WEIGHED",
    "state": "OPEN",
    "updated_at": "2020-04-17T00:30:00.000Z",
    "line_items": [
        {
            "uid": "1",
            "name": "Broccoli",
            "quantity": "2.50",
            "base_price_money": usd(125),
            # 3.125, rounded half to even.
            "variation_total_price_money": usd(312),
            "modifiers": [
                {
                    "uid": "2",
                    "name": "Organic",
                    "base_price_money": usd(25),
                    "total_price_money": usd(62),
                }
            ],
        }
    ],
    "total_money": usd(374),
}
PAYMENT: dict[str, Any] = {
    "id": "hYy9pRFVxpDsO1FB05SunFWUe9JZY",
    "order_id": ORDER["id"],
    "location_id": "FPYCBCHYMXFK1",
    "status": "COMPLETED",
    "source_type": "CARD",
    "amount_money": usd(3083),
    "tip_money": usd(300),
    "total_money": usd(3383),
    "processing_fee": [{"type": "INITIAL", "amount_money": usd(98)}],
    "card_details": {"card": {"card_brand": "MASTERCARD"}},
    "created_at": "2020-04-16T23:48:51.086Z",
    "updated_at": "2020-04-16T23:49:00.831Z",
}
PAYMENT_OF_4 = {
    "status": "COMPLETED",
    "source_type": "CARD",
    "amount_money": usd(400),
    "updated_at": "2020-04-17T00:20:00.000Z",
}
CASH = {
    "id": "CASH1",
    "order_id": "JPORDER",
    "status": "COMPLETED",
    "source_type": "CASH",
    "amount_money": {"amount": 1100, "currency": "JPY"},
    "cash_details": {"buyer_supplied_money": {"amount": 2000, "currency": "JPY"}},
    "updated_at": "2020-04-16T23:49:00.831Z",
}
REFUND = {
    "id": "KkAkhdMsgzn59SM8A89WgKwekxLZY_ptNBVqHYxt5gAdfcobBe4u1AZsXhoz06KTtuq9Ls24P",
    "payment_id": PAYMENT["id"],
    # The order of the return, not the one that was paid.
    "order_id": "haOyDuHiqtAXMk0d8pDKXpL7Jg4F",
    "location_id": "FPYCBCHYMXFK1",
    "amount_money": usd(1000),
    "status": "COMPLETED",
    "reason": "cold",
    "updated_at": "2020-04-17T22:14:16.381Z",
}
COUNTS = [
    {
        "calculated_at": "2019-10-29T18:38:45.10296Z",
        "catalog_object_id": "FGQ5JJWT2PYTHF35CKZ2DSKP",
        "location_id": "YYQR03DGCTXA4",
        "quantity": "0",
        "state": "IN_STOCK",
    },
    {
        "calculated_at": "2019-10-29T18:38:45.10296Z",
        "catalog_object_id": "FGQ5JJWT2PYTHF35CKZ2DSKP",
        "location_id": "YYQR03DGCTXA4",
        "quantity": "3",
        "state": "SOLD",
    },
]
THE_ORDER = {"till": "square", "order_id": ORDER["id"]}

PUSHES = [
    Pushed(
        name="an order that is open",
        document=f"{SPECIFICATION}: OrderUpdatedEvent; Order with amounts of ours",
        body=thin("4b8e5c91"),
        details={"order": ORDER},
        store_code="FPYCBCHYMXFK1",
        expect=[
            (
                "order.stated",
                {
                    **THE_ORDER,
                    "status": "open",
                    "total": "30.83",
                    "currency": "USD",
                    "ticket": "17",
                    "member": "GUEST1",
                    "channel": "takeaway",
                    "promised_at": "2020-04-16T23:45:00+00:00",
                    "bill": [
                        {"kind": "discount", "amount": "2.7", "name": "Ten off", "rate": "10"},
                        {
                            "kind": "charge",
                            "amount": "4.37",
                            "name": "Gratuity",
                            "code": "gratuity",
                            "rate": "18",
                        },
                        {"kind": "tax", "amount": "2.16", "name": "Sales", "rate": "8.875"},
                    ],
                },
            )
        ],
    ),
    Pushed(
        name="the same order, closed",
        document=f"{SPECIFICATION}: OrderUpdatedEvent",
        body=thin("4b8e5c92", state="COMPLETED", version=12),
        details={"order": CLOSED},
        expect=[("order.stated", {**THE_ORDER, "status": "closed", "total": "30.83"})],
    ),
    Pushed(
        name="an order in yen, whose prices include the tax",
        document=f"{SPECIFICATION}: Order, OrderLineItem.gross_sales_money",
        body=thin("4b8e5c93", order_id="JPORDER"),
        details={"order": YEN},
        expect=[
            (
                "order.stated",
                {
                    "order_id": "JPORDER",
                    "total": "1100",
                    "currency": "JPY",
                    "bill": [{"kind": "tax", "amount": "100", "name": "消費税", "included": True}],
                },
            )
        ],
    ),
    Pushed(
        name="a cancelled order in dinars, of three digits",
        document=f"{SPECIFICATION}: Order, OrderRoundingAdjustment",
        body=thin("4b8e5c94", order_id="KWORDER"),
        details={"order": DINAR},
        expect=[
            (
                "order.stated",
                {
                    "order_id": "KWORDER",
                    "status": "cancelled",
                    "total": "3.76",
                    "bill": [{"kind": "rounding", "amount": "-0.005"}],
                },
            )
        ],
    ),
    Pushed(
        name="a return",
        document=f"{SPECIFICATION}: OrderReturn; that it has no line items is a guess",
        body=thin("4b8e5c95", order_id="RETURN"),
        details={"order": RETURN},
        expect=[],
    ),
    Pushed(
        name="an exchange",
        document="developer.squareup.com, orders-api/order-returns-exchanges; api.json: "
        "OrderReturn, OrderMoneyAmounts; the amounts are ours",
        body=thin("4b8e5c96", order_id="EXCHANGE"),
        details={"order": EXCHANGE},
        expect=[("order.stated", {"order_id": "EXCHANGE", "status": "closed", "total": "4"})],
    ),
    Pushed(
        name="the payment of an exchange",
        document=f"{SPECIFICATION}: Payment",
        body=envelope(
            "payment.created",
            "6a8f5f30",
            {
                "payment": {
                    **PAYMENT_OF_4,
                    "id": "EXCHANGED",
                    "order_id": "EXCHANGE",
                }
            },
        ),
        details={"order": EXCHANGE},
        expect=[
            ("payment.stated", {"order_id": "EXCHANGE", "amount": "4"}),
            ("order.stated", {"order_id": "EXCHANGE"}),
        ],
    ),
    Pushed(
        name="an order by weight, rounded half to even",
        document="developer.squareup.com, orders-api/price-adjustments: rounding rules; api.json: "
        "OrderLineItem.variation_total_price_money",
        body=thin("4b8e5c97", order_id="WEIGHED"),
        details={"order": WEIGHED},
        expect=[("order.stated", {"order_id": "WEIGHED", "total": "3.74"})],
    ),
    Pushed(
        name="a payment by card, with its order",
        document=f"{SPECIFICATION}: PaymentUpdatedEvent",
        body=envelope("payment.updated", "6a8f5f28", {"payment": PAYMENT}),
        details={"order": CLOSED},
        store_code="FPYCBCHYMXFK1",
        expect=[
            (
                "payment.stated",
                {
                    **THE_ORDER,
                    "payment_id": PAYMENT["id"],
                    "amount": "30.83",
                    "tip": "3",
                    "fee": "0.98",
                    "tender": "card",
                    "status": "completed",
                    "currency": "USD",
                },
            ),
            ("order.stated", {**THE_ORDER, "status": "closed"}),
        ],
    ),
    Pushed(
        name="a payment in cash, whose order could not be fetched",
        document=f"{SPECIFICATION}: Payment, CashPaymentDetails",
        body=envelope("payment.created", "6a8f5f29", {"payment": CASH}),
        expect=[
            (
                "payment.stated",
                {"order_id": "JPORDER", "amount": "1100", "given": "2000", "tender": "cash"},
            )
        ],
    ),
    Pushed(
        name="a refund, by its payment",
        document=f"{SPECIFICATION}: RefundUpdatedEvent",
        body=envelope("refund.updated", "bc316346", {"refund": REFUND}),
        details={"payment": PAYMENT},
        expect=[
            (
                "refund.stated",
                {
                    **THE_ORDER,
                    "refund_id": REFUND["id"],
                    "payment_id": PAYMENT["id"],
                    "amount": "10",
                    "reason": "cold",
                    "status": "completed",
                },
            )
        ],
    ),
    Pushed(
        name="a count of stock",
        document=f"{SPECIFICATION}: InventoryCountUpdatedEvent",
        body=envelope("inventory.count.updated", "df5f3813", {"inventory_counts": COUNTS}),
        store_code="YYQR03DGCTXA4",
        expect=[
            ("item.sold_out", {"dish": "FGQ5JJWT2PYTHF35CKZ2DSKP", "till": "square"}),
            ("inventory.updated", {"item": "FGQ5JJWT2PYTHF35CKZ2DSKP", "level": "0"}),
        ],
    ),
    Pushed(
        name="a revoked authorisation",
        document=f"{SPECIFICATION}: OAuthAuthorizationRevokedEvent",
        body={
            "merchant_id": "5S9MXCS9Y99KK",
            "type": "oauth.authorization.revoked",
            "event_id": "f6b9de1b",
            "created_at": "2020-04-16T23:14:26.359Z",
            "data": {"type": "revocation", "id": "1"},
        },
        expect=[],
    ),
]


def write(body: Any, now: dt.datetime) -> bytes:
    return json.dumps({**body, "created_at": now.isoformat()}).encode()


def sign(body: bytes, credentials: Any) -> Received:
    made = hmac.new(
        credentials["signature_key"].encode(), ADDRESS.encode() + body, hashlib.sha256
    ).digest()
    headers = {"x-square-hmacsha256-signature": base64.b64encode(made).decode()}
    return Received(method="POST", url=ADDRESS, headers=headers, body=body)


CASE = PlatformCase(
    platform=Square(),
    credentials={"signature_key": "s3cret", "access_token": "EAAA", "api_url": ""},
    secret="signature_key",
    write=write,
    sign=sign,
    pushes=PUSHES,
    answer=Answer(),
    resent_for=72 * 3600,
)
