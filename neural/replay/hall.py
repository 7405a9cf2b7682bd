"""Two invented days at the till of a hall, with tables."""

from decimal import Decimal

from neural.replay.bills import CENT, Bill, BillLine, per_cent_of
from neural.replay.menu_lines import BUN, COFFEE, CROISSANT, LOAF, TART, breakfast_set, dish
from neural.replay.till import Till


def yesterday(till: Till) -> None:
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
    till.pay(bill, "cash", given=Decimal("100.00"))
    till.state(bill, "closed")


def _split_bill(till: Till) -> None:
    lines = (*breakfast_set(), dish(TART, 2), dish(CROISSANT))
    story = "a set with parts, tax on top; split: card with a tip, and cash"
    bill = _dine_in(till, story, *lines, table="7")
    bill.add("tax", per_cent_of(bill.total, 6), "Tax of 6 %")
    till.state(bill)
    half = (bill.total / 2).quantize(CENT)
    till.pay(bill, "card", half, tip=Decimal("5.00"))
    till.pay(bill, "cash", given=Decimal("50.00"))
    till.state(bill, "closed")


def _moved_table(till: Till) -> None:
    lines = [dish(CROISSANT, 3, discount=Decimal("5.70")), dish(LOAF)]
    story = "moved from table 2 to 9; one line void, one discounted"
    bill = _dine_in(till, story, *lines, table="2")
    till.state(bill)
    bill.particulars["table"] = "9"
    bill.lines[1] = dish(LOAF, state="void")
    till.state(bill)
    till.pay(bill, "wechat")
    till.state(bill, "closed")


def _reopened(till: Till) -> None:
    bill = _dine_in(
        till, "reopened: 80.00 were paid, then 12.00 more", *_eighty(), table="5", guests=3
    )
    till.state(bill)
    till.pay(bill, "alipay")
    till.state(bill, "closed")
    bill.lines.append(dish(BUN, 2))
    till.state(bill, "open")
    till.pay(bill, "alipay")
    till.state(bill, "closed")


def _reopened_anew(till: Till) -> None:
    story = "reopened under a new number: void, 80.00 paid and undone"
    first = _dine_in(till, story, *_eighty(), table="6", guests=3)
    till.pay(first, "wechat")
    till.state(first, "closed")
    till.reverse(first, "wechat", first.total)
    till.tell(first, "voided", reason="reopened")
    story = f"the new number of {first.ticket}, paid once"
    second = _dine_in(till, story, *_eighty(), dish(BUN, 2), table="6", guests=3)
    second.particulars["replaces"] = first.ticket
    till.pay(second, "wechat")
    till.state(second, "closed")


def _eighty() -> list[BillLine]:
    return [dish(LOAF, 2), dish(BUN, 4)]


def _to_be_returned(till: Till) -> None:
    story = "10 % off; one line of it returned the next day"
    lines = (dish(LOAF, 2), dish(COFFEE, 2, line_id="coffee"))
    bill = _dine_in(till, story, *lines, table="1")
    bill.add("discount", per_cent_of(bill.total, 10), "10 % off", code="promotion")
    till.pay(bill, "card")
    till.state(bill, "closed")


def today(till: Till) -> None:
    """The hall's second day. Its first ticket was given yesterday too."""
    bill = _dine_in(till, "the first ticket again", dish(COFFEE), dish(TART), table="4")
    till.pay(bill, "cash")
    till.state(bill, "closed")
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
    till.pay(bill, "on_account")
    till.state(bill, "closed")


def _member(till: Till) -> None:
    bill = _dine_in(till, "a member's card and points", *breakfast_set(), table="3", guests=1)
    bill.particulars["member"] = "Member 1 (invented)"
    till.pay(bill, "points", Decimal("5.00"))
    till.pay(bill, "stored_value")
    till.state(bill, "closed")


def _still_open(till: Till) -> None:
    till.state(_dine_in(till, "still open, nothing paid yet", dish(TART, 2), table="5"))
