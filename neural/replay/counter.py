"""Two invented days at the till of a counter: takeaway and delivery."""

from decimal import Decimal

from neural.replay.bills import Bill, per_cent_of
from neural.replay.menu_lines import BUN, COFFEE, CROISSANT, LOAF, TART, breakfast_set, dish
from neural.replay.till import Till

PLATFORM = "Demo delivery (invented)"
DELIVERY = {"channel": "delivery", "platform": PLATFORM}


def yesterday(till: Till) -> None:
    """The counter's first day."""
    _by_weight(till)
    _delivered(till)
    _rejected(till)


def today(till: Till) -> None:
    """The counter's second day. Its first ticket was given yesterday too."""
    bill = till.bill(dish(COFFEE, 2), story="the first ticket again", channel="takeaway")
    till.pay(bill, "cash", given=Decimal("50.00"))
    till.state(bill, "closed")
    _goodwill(till)


def _by_weight(till: Till) -> None:
    loaf = dish(LOAF, quantity=Decimal("0.385"))
    bill = till.bill(
        loaf, dish(BUN, 3), story="bread by weight; a charge for packing", channel="takeaway"
    )
    bill.add("charge", Decimal("2.00"), "Packing", code="packing")
    till.pay(bill, "alipay")
    till.state(bill, "closed")


def _delivered(till: Till) -> None:
    story = "delivered: a platform bears 2.00 of 10.00 off, keeps its fee"
    bill = till.bill(dish(TART, 2), dish(CROISSANT), story=story, **DELIVERY)
    bill.particulars["platform_number"] = f"#{till.shop[-1]}17"
    bill.add("charge", Decimal("2.00"), "Packing", code="packing")
    bill.add("charge", Decimal("3.00"), "Delivery", code="delivery", platform=Decimal("3.00"))
    bill.add("discount", Decimal("10.00"), "10 off", code="promotion", platform=Decimal("2.00"))
    till.state(bill, "accepted")
    till.pay(bill, "platform")
    for status in ("preparing", "delivering", "closed"):
        till.tell(bill, status)
    _settled(till, bill)


def _settled(till: Till, bill: Bill) -> None:
    """The platform keeps 15 per cent of what is left of food and packing after the store's part of
    the discount."""
    owed_to_store = bill.gross + Decimal("2.00") - Decimal("8.00")
    commission = per_cent_of(owed_to_store, 15)
    till.settle(bill, payout=owed_to_store - commission, commission=commission)


def _rejected(till: Till) -> None:
    bill = till.bill(dish(TART, 40), story="rejected, as sold out: counts nowhere", **DELIVERY)
    till.state(bill, "open")
    till.tell(bill, "rejected", reason="sold out")


def _goodwill(till: Till) -> None:
    story = "given back on the same day, as goodwill"
    bill = till.bill(*breakfast_set(), story=story, channel="takeaway")
    till.pay(bill, "wechat")
    till.state(bill, "closed")
    till.refund(bill, "wechat", Decimal("5.00"), reason="long wait")
