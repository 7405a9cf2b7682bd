"""The invented chain over which the questions are asked: the demo's shops, and six stores with
orders, payments, dishes, shifts, reports, failed work and refused events.

All of it goes through the doors that a chain uses: ``neural.submit`` and tasks. Days count back
from today; everything else is the same every time. The people, numbers and texts are invented.
"""

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from celery import shared_task
from django.db import transaction
from django.utils import timezone

import neural
from neural.kit.errors import PermanentError
from neural.models import RunState, Store, TaskAttempt, TaskRun
from neural.monitoring.errors.grouping import group_failures
from zhilian.demo import cases, live, till_days

HERE = Path(__file__).parent
STORES = {
    "S01": "Riverside 江滨店",
    "S02": "Station Road 火车站店",
    "S03": "University Town 大学城店",
    "S04": "Harbour Mall 海港城店",
    "S05": "Old Town 老城店",
    "S06": "Airport T2 机场店",
}
SESSION = "demo7"
ORDINARY = 60
"""How many ordinary events of the demo there are."""
EVERYWHERE = 12
"""So many dishes of the menu are sold in every store, each other one in one store."""
FILLING = 650
"""Orders without a story, among which those with one have to be found."""
SHIFT_DAYS = range(-3, 7)
NUMBERS = {
    "S01": "R-47{:03}",
    "S02": "B-{}",
    "S03": "K2/{:04}",
    "S04": "HM003{:03}",
    "S05": "729{:03}",
    "S06": "T2-1{:03}",
}
TENDERS = ("wechat", "alipay", "cash", "card")
NOTES = (
    *("", "", "", "少盐", "打包", "不要葱", "快一点", "加辣", "分开装", "多给纸巾", "热的"),
    *("no ice", "extra napkins", "less salt", "well done", "cut in half"),
)
REASONS = ("客人改主意了", "changed their mind", "点错了", "店里太忙")
GUESTS = ("陈先生", "李小姐", "王太太", "Ms. Park", "Mr. Novak", "何小姐", "Dr. Mehta", "")
STAFF = {
    "S01": (("1001", "王小明", "领班"), ("1002", "李娜", "收银"), ("1003", "陈志强", "厨师")),
    "S02": (("1004", "赵敏", "服务员"), ("1005", "刘洋", "店长")),
    "S03": (("1006", "周杰", "收银"), ("1007", "Aisha Khan", "Barista")),
    "S04": (("1008", "Maria Gonzalez", "Head waiter"), ("1009", "Tom Baker", "Cashier")),
    "S05": (("1010", "孙莉", "店长"), ("1011", "欧阳雪", "洗碗")),
    "S06": (("1012", "陈晓东", "夜班经理"), ("1013", "Nguyen Thi Lan", "Baker")),
}

Request = dict[str, Any]


class Served(NamedTuple):
    """A dish as the menu of the chain has it."""

    code: str
    chinese: str
    english: str
    category: str
    price: str
    allergens: str
    description: str

    @property
    def name(self) -> str:
        """The name on the menu: English kitchens write English."""
        return self.chinese if self.code.startswith("c") else self.english


def rows(name: str) -> list[list[str]]:
    """The lines of a table beside this module, split at the bars."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("|") for line in lines]


def menu() -> dict[str, Served]:
    """The dishes of the chain by code. English kitchens name the English name first."""
    read = {code: more for code, *more in rows("menu.txt")}
    return {
        code: Served(code, *(more if code.startswith("c") else (more[1], more[0], *more[2:])))
        for code, more in read.items()
    }


def moment(back: int, clock: str = "12:00") -> dt.datetime:
    """A time of the day so many days ago, in the project's time zone."""
    day = timezone.localdate() - dt.timedelta(days=back)
    return timezone.make_aware(dt.datetime.combine(day, dt.time.fromisoformat(clock)))


def build(*, filling: int = FILLING) -> None:
    """Record and handle everything, in the database of the settings."""
    live.register_shops()
    Store.objects.bulk_create(
        Store(code=code, name=name, brand="Nine Bowls (invented)", confirmed=True)
        for code, name in STORES.items()
    )
    for requests in (_demo(), _chain(filling), refused()):
        for _ in neural.submit_many(requests):
            pass
    fail()
    with transaction.atomic():  # one commit instead of thousands
        neural.run_due(now=timezone.now() + dt.timedelta(hours=3))
    _date_failures()


def _demo() -> Iterator[Request]:
    """The demo's invented events: its ordinary ones, its cases, and the two days of its tills."""
    dice, now = random.Random(SESSION), timezone.now()  # not for secrets
    yield from islice(live.ordinary_events(session=SESSION, dice=dice), ORDINARY)
    yield from (request for _, request in cases.steps(SESSION))
    today = live.business_days(now - till_days.OPEN_FOR)
    tills = till_days.play(session=SESSION, now=now, today=today)
    yield from till_days.first_days(tills)
    yield from till_days.second_days(tills)


def _chain(filling: int) -> Iterator[Request]:
    yield from _dishes()
    yield from _shifts()
    numbers = count(1)
    for fields in (*rows("orders.txt"), *_filling(filling)):
        yield from _order(next(numbers), *fields)
    for kind, *fields in rows("reports.txt"):
        if kind in _REPORTS:
            yield _REPORTS[kind](*fields)


def _event(kind: str, store: str, event_id: str, at: dt.datetime, **payload: Any) -> Request:
    return {
        "type": kind,
        "store": store,
        "source": f"till-{store}",
        "event_id": event_id,
        "payload": payload,
        "occurred_at": at,
    }


# Menus and rosters


def stores_of(place: int) -> Sequence[str]:
    """The stores that sell the dish at this place of the menu."""
    codes = list(STORES)
    return codes if place < EVERYWHERE else codes[place % len(codes) :][:1]


def _dishes() -> Iterator[Request]:
    for place, dish in enumerate(menu().values()):
        for store in stores_of(place):
            yield _event(
                *("dish.updated", store, f"menu-{store}-{dish.code}", moment(20)),
                dish=dish.code,
                name=dish.name,
                also_named=dish.english if dish.name == dish.chinese else dish.chinese,
                category=dish.category,
                price=dish.price,
                allergens=[each for each in dish.allergens.split(",") if each],
                description=dish.description,
            )


def _shifts() -> Iterator[Request]:
    for back in SHIFT_DAYS:
        for store, people in STAFF.items():
            for turn, (code, name, role) in enumerate(people):
                starts_at = moment(back, ("07:00", "11:00", "16:00")[turn])
                yield _event(
                    *("staff.scheduled", store, f"shift-{code}-{back}", moment(10)),
                    shift_id=f"W{code}{back + 10:02}",
                    staff_id=code,
                    name=name,
                    role=role,
                    starts_at=starts_at.isoformat(),
                    ends_at=(starts_at + dt.timedelta(hours=8)).isoformat(),
                )


# Orders


def _order(
    place: int,
    number: str,
    store: str,
    back: str,
    clock: str,
    channel: str,
    status: str,
    table: str,
    staff: str,
    member: str,
    phone: str,
    platform: str,
    platform_number: str,
    invoice: str,
    items: str,
    total: str,
    money: str,
    note: str,
) -> Iterator[Request]:
    """An order with its payment, its refund or its end."""
    at = moment(int(back), clock)
    status, _, reason = status.partition(":")
    ended = bool(reason)
    lines = [_line(item) for item in items.split()]
    due = sum(float(each["price"]) * each["quantity"] for each in lines)
    stated = float(total or due)
    difference = stated - due
    # The tickets of the second store begin again every day.
    till = {"till": "T1", "day": at.date().isoformat()} if store == "S02" else {}
    payload: dict[str, Any] = {
        **till,
        "order_id": number,
        "ticket": number,
        "lines": lines,
        "bill": [_entry(difference)] if difference else [],
        "total": f"{stated:.2f}",
        "currency": "CNY",
        "status": "open" if ended else status,
        "channel": channel,
        "table": table,
        "staff": staff,
        "member": member,
        "phone_last4": phone,
        "platform": platform,
        "platform_number": platform_number,
        "invoice": invoice,
        "note": note,
        "placed_at": at.isoformat(),
    }
    name = f"{store}-{place}"
    yield _event("order.stated", store, f"{name}-stated", at, **payload)
    later = at + dt.timedelta(minutes=12)
    of = {**till, "order_id": number}
    if ended:
        ending = {**of, "status": status, "reason": reason}
        yield _event("order.status_changed", store, f"{name}-{status}", later, **ending)
    tender, _, refund = money.partition(";refund=")
    if tender:
        paid = {**of, "payment_id": f"PAY-90{place:04}", "amount": f"{stated:.2f}"}
        yield _event("payment.stated", store, f"{name}-paid", later, **paid, tender=tender)
    if refund:
        amount, _, reason = refund.partition(":")
        back_to = {**of, "refund_id": f"RF-33{place:04}", "amount": amount, "tender": tender}
        at = later + dt.timedelta(minutes=50)
        yield _event("refund.stated", store, f"{name}-refunded", at, **back_to, reason=reason)


def _line(item: str) -> dict[str, Any]:
    code, _, quantity = item.partition("*")
    dish = _MENU[code]
    return {"dish": code, "name": dish.name, "price": dish.price, "quantity": int(quantity or 1)}


def _entry(difference: float) -> dict[str, Any]:
    kind, name = ("charge", "Packing 打包费") if difference > 0 else ("discount", "Member 会员价")
    return {"kind": kind, "name": name, "amount": f"{abs(difference):.2f}"}


def _filling(most: int) -> Iterator[list[str]]:
    """Orders as any other, none of the last two days."""
    dice = random.Random("filling")  # not for secrets
    plain = [each.code for each in _MENU.values() if float(each.price) < 60]
    for place in range(most):
        store = dice.choice(list(STORES))
        code = NUMBERS[store].format(place + 70)
        channel = dice.choice(("dine_in", "dine_in", "takeaway"))
        fate = dice.random()
        status, money = "closed", dice.choice(TENDERS)
        if fate < 0.05:
            status, money = f"cancelled:{dice.choice(REASONS)}", ""
        elif fate < 0.08:
            money += ";refund=6.00:找零"
        items = [f"{dice.choice(plain)}*{dice.randint(1, 3)}" for _ in range(dice.randint(1, 4))]
        clock = f"{dice.randint(9, 21):02}:{dice.randint(0, 59):02}"
        yield [
            *(code, store, str(dice.randint(3, 19)), clock, channel, status),
            f"C{dice.randint(1, 30)}" if channel == "dine_in" else "",
            dice.choice(STAFF[store])[1],
            dice.choice(GUESTS),
            *("", "", "", "", " ".join(dict.fromkeys(items)), "", money, dice.choice(NOTES)),
        ]


# What stores report


def _feedback(name: str, store: str, back: str, order: str, rating: str, text: str) -> Request:
    said = {"text": text, "rating": int(rating), "order_id": order}
    return _event("feedback.received", store, name, moment(int(back), "20:30"), **said)


def _stock(kind: str) -> Any:
    def stock(
        name: str, store: str, back: str, item: str, level: str, most: str, unit: str
    ) -> Request:
        counted = {"item": item, "level": level, "threshold": most, "unit": unit}
        return _event(kind, store, name, moment(int(back), "10:00"), **counted)

    return stock


def _availability(kind: str) -> Any:
    def availability(
        name: str, store: str, back: str, dish: str, title: str, reason: str
    ) -> Request:
        said = {"dish": dish, "name": title, "reason": reason}
        return _event(kind, store, name, moment(int(back), "11:00"), **said)

    return availability


def _opening(kind: str) -> Any:
    def opening(name: str, store: str, back: str, reason: str) -> Request:
        return _event(kind, store, name, moment(int(back), "18:00"), reason=reason)

    return opening


def _delivery(name: str, store: str, back: str, order: str, courier: str, status: str) -> Request:
    said = {"order_id": order, "courier": courier, "status": status}
    return _event("delivery.updated", store, name, moment(int(back), "20:50"), **said)


_REPORTS: dict[str, Any] = {
    "feedback": _feedback,
    "low": _stock("inventory.low"),
    "level": _stock("inventory.updated"),
    "soldout": _availability("item.sold_out"),
    "available": _availability("item.available"),
    "opened": _opening("store.opened"),
    "closed": _opening("store.closed"),
    "busy": _opening("store.busy"),
    "delivery": _delivery,
}


# What goes wrong


def refused() -> Iterator[Request]:
    """Events that are refused, each for another reason."""
    at = moment(1)
    line = {"dish": "c001", "name": "麻婆豆腐", "price": "28", "quantity": 1}
    soup = {**line, "quantity": "two"}
    yield _event("order.created", "S01", "X-701", at, order_id="R-48399", lines=[soup])
    yield _event("order.creatd", "S02", "X-702", at, order_id="A-99", lines=[line])
    yield _event("payment.completed", "S03", "X-703", at, payment_id="P1", amount="12")
    yield _event("feedback.received", "S04", "X-704", at, text="Splendid evening", rating=6)
    yield _event("inventory.low", "S/99", "X-705", at, item="盐", level=1)
    yield _event(
        *("refund.stated", "S05", "X-706", at),
        refund_id="RF-1",
        order_id="730299",
        amount="-88",
    )
    yield _event(
        *("staff.scheduled", "S06", "X-707", at),
        shift_id="W9",
        staff_id="1012",
        name="陈晓东",
        starts_at="2025-05-02T22:00:00",
        ends_at="2025-05-02T14:00:00",
    )
    late = timezone.now() + dt.timedelta(days=400)
    yield _event("inventory.updated", "S01", "X-708", late, item="粉丝", level=7)
    yield _event(
        *("payment.stated", "S02", "X-709", at),
        payment_id="P2",
        order_id="A-98",
        amount="19",
        currency="人民币",
    )
    yield _event("dish.updated", "S03", "X-710", at, dish="c001", name="")


def _raise(kind: str, text: str, store_id: str) -> None:
    """What a task of the chain ends with."""
    raise type(kind, (PermanentError,), {"__module__": "chain"})(text)


def fail() -> None:
    """Ask for the work that fails for good."""
    for store, _, name, kind, text in (row[1:] for row in rows("reports.txt") if row[0] == "run"):
        task = _TASKS.get(name) or shared_task(base=neural.LedgerTask, name=name)(_raise)
        _TASKS[name] = task
        task.apply_async(kwargs={"kind": kind, "text": text, "store_id": store}, store=store)


_TASKS: dict[str, Any] = {}
_MENU = menu()


def _date_failures() -> None:
    """Let the failed work be as old as its table says, and group its errors."""
    days = {(row[1], row[5]): int(row[2]) for row in rows("reports.txt") if row[0] == "run"}
    for run in TaskRun.objects.filter(state=RunState.DEAD, task__in=_TASKS):
        at = moment(days[run.store_id, run.kwargs["text"]], "15:00")
        times = {"started_at": at, "finished_at": at}
        TaskRun.objects.filter(pk=run.pk).update(**times, created_at=at, available_at=at)
        TaskAttempt.objects.filter(run=run).update(**times)
    while group_failures(now=timezone.now()):
        pass
