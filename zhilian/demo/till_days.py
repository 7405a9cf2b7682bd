"""Two invented business days at the tills of the demo's shops: what happens at real tills.

Nothing here is real. The same session always gives the same bills. A till's tickets begin again on
the second day, and two tills of a shop have the same ones.
"""

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from zhilian.demo.live import MENU, Request
from zhilian.demo.till import (
    BUN,
    CENT,
    COFFEE,
    CROISSANT,
    LOAF,
    TART,
    Bill,
    BillLine,
    Till,
    breakfast_set,
    dish,
    per_cent_of,
)

# The hall, with tables


def _hall_yesterday(till: Till) -> None:
    """The hall's first day."""
    _coupon_and_service(till)
    _split_bill(till)
    _moved_table(till)
    _reopened(till)
    _reopened_anew(till)
    _to_be_returned(till)


def _dine_in(till: Till, story: str, *lines: BillLine, table: str, guests: int = 2) -> Bill:
    place = {"channel": "dine_in", "table": table, "guests": guests}
    return till.bill(*lines, story=story, **place)


def _coupon_and_service(till: Till) -> None:
    gift = dish(BUN, state="gift")
    lines = (dish(COFFEE, 2), dish(TART, 2), dish(LOAF), gift)
    story = "coupon, gift, service of 10 %; cash rounded down, change given"
    bill = _dine_in(till, story, *lines, table="4")
    till.state(bill)
    bill.add("discount", Decimal("10.00"), "Coupon", code="coupon")
    bill.add("charge", per_cent_of(bill.total, 10), "Service of 10 %", code="service")
    bill.round_down()
    till.close(bill, "cash", given=Decimal("100.00"))


def _split_bill(till: Till) -> None:
    lines = (*breakfast_set(), dish(TART, 2), dish(CROISSANT))
    story = "a set with parts, tax on top; split: card with a tip, and cash"
    bill = _dine_in(till, story, *lines, table="7")
    bill.add("tax", per_cent_of(bill.total, 6), "Tax of 6 %")
    till.state(bill)
    half = (bill.total / 2).quantize(CENT)
    till.pay(bill, "card", half, tip=Decimal("5.00"))
    till.close(bill, "cash", given=Decimal("50.00"))


def _moved_table(till: Till) -> None:
    lines = [dish(CROISSANT, 3, discount=Decimal("5.70")), dish(LOAF)]
    story = "moved from table 2 to 9; one line void, one discounted"
    bill = _dine_in(till, story, *lines, table="2")
    till.state(bill)
    bill.particulars["table"] = "9"
    bill.lines[1] = dish(LOAF, state="void")
    till.state(bill)
    till.close(bill, "wechat")


def _reopened(till: Till) -> None:
    bill = _dine_in(
        till, "reopened: 80.00 were paid, then 12.00 more", *_eighty(), table="5", guests=3
    )
    till.state(bill)
    till.close(bill, "alipay")
    bill.lines.append(dish(BUN, 2))
    till.state(bill, "open")
    till.close(bill, "alipay")


def _reopened_anew(till: Till) -> None:
    story = "reopened under a new number: void, 80.00 paid and undone"
    first = _dine_in(till, story, *_eighty(), table="6", guests=3)
    till.close(first, "wechat")
    till.reverse(first, "wechat", first.total)
    till.change(first, "voided", reason="reopened")
    story = f"the new number of {first.ticket}, paid once"
    second = _dine_in(till, story, *_eighty(), dish(BUN, 2), table="6", guests=3)
    second.particulars["replaces"] = first.ticket
    till.close(second, "wechat")


def _eighty() -> list[BillLine]:
    return [dish(LOAF, 2), dish(BUN, 4)]


def _to_be_returned(till: Till) -> None:
    story = "10 % off; one line of it returned the next day"
    lines = (dish(LOAF, 2), dish(COFFEE, 2, line_id="coffee"))
    bill = _dine_in(till, story, *lines, table="1")
    bill.add("discount", per_cent_of(bill.total, 10), "10 % off", code="promotion")
    till.close(bill, "card")


def _hall_today(till: Till) -> None:
    """The hall's second day. Its first ticket was given yesterday too."""
    bill = _dine_in(till, "the first ticket again", dish(COFFEE), dish(TART), table="4")
    till.close(bill, "cash")
    _return_of_yesterday(till)
    _on_account(till)
    _member(till)
    _still_open(till)


def _return_of_yesterday(till: Till) -> None:
    bill = next(each for each in till.bills if "returned" in each.story)
    line = bill.lines[1]
    amount = line.list_price - per_cent_of(line.list_price, 10)
    returned = {"line_id": line.line_id, "name": line.name, "quantity": "2", "amount": str(amount)}
    till.refund(bill, "card", amount, lines=[returned], reason="cold")


def _on_account(till: Till) -> None:
    bill = _dine_in(till, "put on a company's account (挂账)", dish(LOAF, 2), table="8", guests=4)
    bill.add("discount", Decimal("6.00"), "Company price", code="contract")
    till.close(bill, "on_account")


def _member(till: Till) -> None:
    bill = _dine_in(till, "a member's card and points", *breakfast_set(), table="3", guests=1)
    bill.particulars["member"] = "Member 1 (invented)"
    till.pay(bill, "points", Decimal("5.00"))
    till.close(bill, "stored_value")


def _still_open(till: Till) -> None:
    till.state(_dine_in(till, "still open, nothing paid yet", dish(TART, 2), table="5"))


# The counter: takeaway and delivery

DELIVERY = {"channel": "delivery", "platform": "Demo delivery (invented)"}


def _counter_yesterday(till: Till) -> None:
    """The counter's first day."""
    _by_weight(till)
    _delivered(till)
    _rejected(till)


def _counter_today(till: Till) -> None:
    """The counter's second day. Its first ticket was given yesterday too."""
    bill = till.bill(dish(COFFEE, 2), story="the first ticket again", channel="takeaway")
    till.close(bill, "cash", given=Decimal("50.00"))
    _goodwill(till)


def _by_weight(till: Till) -> None:
    loaf = dish(LOAF, quantity=Decimal("0.385"))
    bill = till.bill(
        loaf, dish(BUN, 3), story="bread by weight; a charge for packing", channel="takeaway"
    )
    bill.add("charge", Decimal("2.00"), "Packing", code="packing")
    till.close(bill, "alipay")


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
        till.change(bill, status)
    # The platform keeps 15 per cent of what is left of food and packing after the store's part of
    # the discount.
    owed_to_store = bill.gross + Decimal("2.00") - Decimal("8.00")
    commission = per_cent_of(owed_to_store, 15)
    till.settle(bill, payout=owed_to_store - commission, commission=commission)


def _rejected(till: Till) -> None:
    bill = till.bill(dish(TART, 40), story="rejected, as sold out: counts nowhere", **DELIVERY)
    till.state(bill, "open")
    till.change(bill, "rejected", reason="sold out")


def _goodwill(till: Till) -> None:
    story = "given back on the same day, as goodwill"
    bill = till.bill(*breakfast_set(), story=story, channel="takeaway")
    till.close(bill, "wechat")
    till.refund(bill, "wechat", Decimal("5.00"), reason="long wait")


# All tills

OPEN_FOR = dt.timedelta(hours=3)
"""The demo's second day began so long ago; its first one a day earlier."""
A_DAY = dt.timedelta(days=1)
TENDERS = ("cash", "card", "wechat", "alipay")
ORDINARY_BILLS = 2


TILLS = (("hall", "demo-1"), ("counter", "demo-1"), ("counter", "demo-2"))
FIRST_DAYS = {"hall": _hall_yesterday, "counter": _counter_yesterday}
SECOND_DAYS = {"hall": _hall_today, "counter": _counter_today}


def play(*, session: str, now: dt.datetime, today: Mapping[str, dt.date]) -> list[Till]:
    """The tills of all shops after two business days; ``today`` is the second one, by shop."""
    dice = random.Random(f"tills of {session}")  # Not for secrets.
    tills = [Till(session=session, shop=shop, name=name) for name, shop in TILLS]
    for back, happens in ((1, FIRST_DAYS), (0, SECOND_DAYS)):
        for till in tills:
            till.begin(today[till.shop] - back * A_DAY, now - OPEN_FOR - back * A_DAY)
            happens[till.name](till)
            for _ in range(ORDINARY_BILLS):
                _ordinary(till, dice)
    return tills


def first_days(tills: Iterable[Till]) -> list[Request]:
    """The events of all first days, in no order: whatever the order, the result is the same."""
    requests = [request for till in tills for request in till.sent[till.days[0]]]
    random.Random(len(requests)).shuffle(requests)
    return requests


def second_days(tills: Sequence[Till]) -> Iterator[Request]:
    """The events of all second days; then the tills close both days."""
    for till in tills:
        yield from till.sent[till.days[1]]
    for till in tills:
        for day in till.days:
            yield till.closing(day)


def _ordinary(till: Till, dice: random.Random) -> None:
    """A bill without a story."""
    places = dice.sample(range(len(MENU)), dice.randint(1, 3))
    bill = till.bill(*(dish(place, dice.randint(1, 3)) for place in places), guests=1)
    till.close(bill, dice.choice(TENDERS))
