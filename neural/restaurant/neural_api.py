"""The HTTP API's endpoints of orders and days, loaded if ``neural.api`` is installed."""

import re
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from ninja import Path, Query, Router, Schema
from pydantic import BeforeValidator, Field, PlainSerializer

from neural.api.access import Caller, KeyWith
from neural.api.models import Scope
from neural.api.problems import ApiProblem
from neural.api.reading.fields import AskedDay, Day, Instant, Money, StoreCode, text
from neural.models import Store
from neural.restaurant.days.summary import is_behind, summarise
from neural.restaurant.keys import KEY_LENGTH, order_key
from neural.restaurant.models import Order, OrderLine, Payment
from neural.restaurant.models.amounts import rounded

MOST_PAYMENTS = 200
"""The newest payments and refunds that an answer has."""

router = Router(tags=["Orders"])
_: Any = gettext_lazy  # django-ninja's annotations know no lazy text

WHICH = "The order's key, percent-encoded; or, with `till` or `day`, its number."


class ReadLine(Schema):
    """A line of an order."""

    position: int = Field(description="Counted from 1.")
    line_id: str
    parent: int | None = Field(description="The position of the line that it belongs to.")
    role: str = Field(description="`item`, `modifier`, `component` or `deferred`.")
    state: str = Field(description="`sold`, `gift`, `void` or `returned`.")
    dish: str = Field(examples=["D7"])
    name: str = Field(examples=["麻婆豆腐"])
    quantity: Annotated[Money, PlainSerializer(lambda it: re.sub("0{,3}$", "", f"{it:.6f}"))]
    price: Money
    discount: Money
    amount: Money = Field(
        description="What the line adds to the total, or takes off it if it is `returned`."
    )
    tax: Money | None
    options: list[Any] | None
    note: str


class OrderSums(Schema):
    """What an order's parts add up to, what was paid, and what is owed."""

    items: Money = Field(description="The amounts of the lines.")
    line_discounts: Money
    deferred: Money = Field(description="The part of the lines that is no sale, like a top-up.")
    discounts: Money
    charges: Money
    tax: Money = Field(description="Added tax.")
    tax_included: Money
    rounding: Money
    total: Money
    difference: Money = Field(description="The stated total less what the parts add up to.")
    paid: Money
    refunded: Money
    returned: Money = Field(description="The refunds of goods that were returned.")
    tips: Money
    owed: Money = Field(description="What the guest still owes; negative if too much was paid.")
    net: Money = Field(description="What was sold in the end.")
    platform_discounts: Money
    platform_charges: Money
    commission: Money
    fees: Money
    payout: Money | None = Field(description="What the platform states that it pays out.")
    payout_is_final: bool


class ReadPayment(Schema):
    """A payment or a refund."""

    id: str
    kind: str = Field(description="`payment` or `refund`.")
    status: str = Field(description="Only a `completed` one counts.")
    moved: bool = Field(
        description="The order was merged, and this is stated for the surviving one: it counts "
        "there."
    )
    amount: Money
    currency: str = Field(examples=["CNY"])
    tender: str = Field(examples=["wechat"])
    tip: Money
    given: Money | None
    fee: Money
    refund_of: str = Field(description="The id of the payment that is refunded.")
    refund_kind: str = Field(description="`return`, `reversal`, or empty.")
    returned_lines: Any
    reason: str
    business_day: Day | None
    occurred_at: Instant


class ReadOrder(Schema):
    """An order, each aspect as its newest event states it."""

    store: str = Field(examples=["S01"])
    key: str = Field(
        examples=["/till-3/2026-03-01/12"],
        description="Made of till, business day and number, as far as stated.",
    )
    number: str = Field(examples=["12"])
    till: str = Field(examples=["till-3"])
    business_day: Day | None
    state: str = Field(
        description="`placed`; `cancelled`: it counts nowhere; `expected`: only a payment or a "
        "status of it is known."
    )
    status: str = Field(description="How far it is, like `preparing` or `closed`; may be empty.")
    given_twice: bool = Field(
        description="Its statements speak of two orders: see `claims`. The newest one is shown."
    )
    claims: list[dict[str, Any]] = Field(
        description="Statements that contradict each other: `about` (`source` or `placed_at`), "
        "`says`, and the newest event that says it (`at`, `event_id`, `source`)."
    )
    statuses: list[dict[str, Any]] = Field(description="The statuses so far, oldest first.")
    cancel_reason: str
    placed_at: Instant | None
    promised_at: Instant | None
    closed_at: Instant | None
    channel: str
    platform: str
    platform_number: str
    table: str
    guests: int | None
    member: str
    staff: str
    invoice: str
    note: str
    split_from: str
    replaces: str
    merged_into: str
    currency: str = Field(description="ISO 4217; empty if it is not stated.")
    lines: list[ReadLine]
    bill: list[dict[str, Any]] = Field(
        description="Discounts, charges, taxes and rounding of the whole order, as they were "
        "stated."
    )
    sums: OrderSums
    payments: list[ReadPayment] = Field(
        description="Payments and refunds, oldest first; at most the 200 newest."
    )
    delivery: dict[str, Any] | None


class OfTill(Schema):
    """Which order is meant if its number alone does not say it."""

    till: text(60, example="till-3") | None = Field(  # type: ignore[valid-type]
        None, description="The till's name, if the order's key has one."
    )
    day: AskedDay | None = Field(
        None, description="The business day, if the till's numbers begin again every day."
    )


@router.get(
    "/orders/{store}/{path:order}",
    auth=KeyWith(Scope.EVENTS_READ),
    response=ReadOrder,
    operation_id="read_order",
    summary=_("Read an order"),
)
def read_order(
    request: HttpRequest,
    store: Annotated[StoreCode, Path(description="The code of the store.")],
    order: Annotated[text(KEY_LENGTH, least=1, example="12"), Path(description=WHICH)],  # type: ignore[valid-type]
    named: Query[OfTill],
) -> ReadOrder:
    """The order with its lines, its bill, its payments and refunds, and what is owed. Orders of
    which only the number is stated have it as their key. For tills, give the number with `till`,
    and with `day` if the till's numbers begin again every day."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    orders = Order.objects.in_stores(caller.stores).filter(store=store)
    found = {row.key: row for row in orders.filter(key__in=_keys(order, named))}
    for key in _keys(order, named):
        if key in found:
            return order_read(found[key])
    raise ApiProblem(
        404,
        "there is no such order in the stores of this key; orders of tills are found by their "
        "number with the parameters till and day",
    )


def _keys(order: str, named: OfTill) -> list[str]:
    """The keys that may be meant, the likeliest first."""
    if named.till or named.day:
        return [order_key(order_id=order, till=named.till or "", day=named.day)]
    # Some proxies merge the two slashes before a key that begins with one.
    return [order, f"/{order}"]


def order_read(order: Order) -> ReadOrder:
    """An order as the API shows it."""
    payments = order.payments.order_by("-occurred_at", "-pk")[:MOST_PAYMENTS]
    same = {name: getattr(order, name) for name in _SAME}
    return ReadOrder(
        **same,
        store=order.store_id,
        number=str(order),
        status=order.display_status,
        statuses=order.progress,
        lines=[_line(line) for line in order.lines.order_by("position")],
        sums=OrderSums(
            **{name: getattr(order, name) for name in OrderSums.model_fields if name != "owed"},
            owed=order.balance,
        ),
        payments=[_payment(each) for each in reversed(payments)],
        delivery=order.delivery or None,
    )


_OTHERWISE = ("store", "number", "status", "statuses", "lines", "sums", "payments", "delivery")
_SAME = [name for name in ReadOrder.model_fields if name not in _OTHERWISE]


def _line(line: OrderLine) -> ReadLine:
    return ReadLine(**{name: getattr(line, name) for name in ReadLine.model_fields})


def _payment(payment: Payment) -> ReadPayment:
    own: dict[str, Any] = {"id": payment.reference or payment.key, "returned_lines": payment.lines}
    same = [name for name in ReadPayment.model_fields if name not in own]
    return ReadPayment(**own, **{name: getattr(payment, name) for name in same})


def _as_stored(value: Any) -> Any:
    return rounded(value) if isinstance(value, Decimal) else value


Amount = Annotated[Money, BeforeValidator(_as_stored)]
"""A sum, with the decimals of the columns also where nothing was added up or a till states fewer;
or a number of orders or guests."""


class DayOrders(Schema):
    """How many orders of the day there are of each kind."""

    placed: int = Field(description="Those that count: the sales are theirs.")
    cancelled: int
    voided: int
    rejected: int
    merged: int
    expected: int = Field(description="Only a payment or a status of them is known.")
    unsettled: int = Field(description="Owed, overpaid, or given back above what was paid.")
    not_adding_up: int
    given_twice: int
    late_change: int


class DaySales(Schema):
    """The orders of the day that count: gross − discounts + charges + tax + rounding + difference
    = total."""

    orders: int
    guests: int
    gross: Amount = Field(description="The list price of the sold lines.")
    discounts: Amount
    charges: Amount
    tax: Amount = Field(description="Added tax.")
    tax_included: Amount
    rounding: Amount
    difference: Amount = Field(description="The stated totals less what the parts add up to.")
    total: Amount
    deferred: Amount = Field(description="The part of the total that is no sale, like a top-up.")
    returned: Amount = Field(description="Refunds of goods of these orders, on whatever day.")
    net: Amount = Field(description="What was sold in the end: total − returned.")
    platform_discounts: Amount
    platform_charges: Amount
    commission: Amount


class DayTender(Schema):
    """The payments and refunds of one tender, without tips."""

    payments: int
    paid: Amount
    refunds: int
    refunded: Amount
    received: Amount = Field(description="Paid less refunded: what a close states of a tender.")
    tips: Amount


class DayMoney(Schema):
    """The payments and refunds of the day, of orders of whatever day."""

    taken_in: Amount = Field(
        description="Received by tenders that bring money on the day, without tips: not what is on "
        "account, paid to a platform, or paid with stored value, points or vouchers."
    )
    refunds: Amount = Field(description="Returned and reversed.")
    returned: Amount
    reversed: Amount = Field(description="Payments that were undone.")
    tenders: dict[str, DayTender] = Field(description="By tender; empty where none is stated.")


class DayBalance(Schema):
    """What the orders of the day that are known still lack, paid on whatever day."""

    owed: Amount = Field(description="What guests still owe for some of them.")
    overpaid: Amount = Field(description="What was paid too much for others.")


class DayOfCurrency(Schema):
    """The day in one currency. Different currencies are never added up."""

    currency: str = Field(examples=["CNY"], description="ISO 4217; empty if it is not stated.")
    sales: DaySales
    money: DayMoney
    balance: DayBalance


class ComparedFigure(Schema):
    """A figure, amount or number, beside what the till states."""

    name: str = Field(examples=["total"], description="As in `day.closed`.")
    ours: Amount
    stated: Amount | None = Field(description="Null if the till leaves it out.")
    difference: Amount | None = Field(description="Stated less ours.")


class ComparedClose(Schema):
    """The totals that a till states of the day, beside ours."""

    till: str | None = Field(
        examples=["till-3"],
        description="Empty: the close speaks for the whole store. Null: all tills together.",
    )
    currency: str = Field(examples=["CNY"])
    agrees: bool | None = Field(
        description="Whether all that is stated is what we have. Null if nothing can be compared: "
        "the close states nothing, or no currency on a day that has several."
    )
    figures: list[ComparedFigure]
    tenders: list[ComparedFigure] = Field(description="What was received by each tender.")


class TicketGap(Schema):
    """Tickets that are missing, from the first to the last."""

    first: str = Field(examples=["A-18"])
    last: str = Field(examples=["A-20"])
    count: int


class TillTicketsMissing(Schema):
    """The gaps in the tickets of a till."""

    till: str
    of_store: bool = Field(description="Whether they are of all tills in one sequence.")
    gaps: list[TicketGap]
    more: int = Field(description="How many further gaps are not listed.")


class ReadDay(Schema):
    """A store's business day: what was sold and paid, beside what its tills state of it."""

    store: str = Field(examples=["S01"])
    day: Day
    behind: bool = Field(
        description="Whether events of this day still wait to be handled. Until they are, figures "
        "differ and tickets are missing."
    )
    orders: DayOrders
    currencies: list[DayOfCurrency]
    closes: list[ComparedClose] = Field(
        description="One for each close of a till and, where several tills have closed, one for "
        "all of them together."
    )
    not_closed: list[str] = Field(description="Tills with orders or payments, and no close.")
    tickets_missing: list[TillTicketsMissing]


@router.get(
    "/days/{store}/{day}",
    auth=KeyWith(Scope.EVENTS_READ),
    response=ReadDay,
    operation_id="read_day",
    summary=_("Read a business day"),
)
def read_day(
    request: HttpRequest,
    store: Annotated[StoreCode, Path(description="The code of the store.")],
    day: Annotated[AskedDay, Path(description="The business day.")],
) -> Any:
    """What the store sold and took in on the day, what is still owed for its orders, and how that
    compares with the totals that its tills state in `day.closed`. The same figures are on the
    admin's page of the day."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    row = Store.objects.in_stores(caller.stores).filter(pk=store).first()
    if row is None:
        raise ApiProblem(404, "there is no such store among those of this key")
    found = summarise(row, day)
    return {
        "store": row.pk,
        "day": day,
        "behind": is_behind(row, day),
        "orders": found.counts,
        "currencies": found.currencies,
        "closes": found.comparisons,
        "not_closed": found.not_closed,
        "tickets_missing": found.missing,
    }
