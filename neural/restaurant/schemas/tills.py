"""Orders, payments and days as real tills report them.

An order is always stated whole. Amounts are never negative, because the kind says the sign; only
rounding has one. What a till states is kept even where it does not add up.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from neural.events.redaction import is_credential
from neural.events.schema import Payload
from neural.restaurant.bill import amount_of
from neural.restaurant.codes import (
    BillKind,
    Channel,
    DaySum,
    LineRole,
    LineState,
    PaymentStatus,
    RefundKind,
    Status,
    Tender,
)
from neural.restaurant.models.amounts import digits_of, rounded
from neural.restaurant.schemas.fields import (
    LARGEST_TOTAL,
    MOST_LINES,
    PLAIN,
    Coerced,
    Currency,
    Day,
    Key,
    Label,
    Line,
    Moment,
    Money,
    Name,
    Number,
    Price,
    Quantity,
    Rate,
    Reason,
    StatedTax,
    Till,
    Total,
    text,
)

MOST_BILL_ENTRIES = 200
MOST_GUESTS = 10_000
MOST_OF_A_DAY = 10_000_000

OptionalKey = Annotated[Coerced, text(100), PLAIN]


class InCurrency(Payload):
    """States money. What a new event states as a total, as paid or given back has no more digits
    than its currency, if it names one."""

    def refused_when_new(self) -> Iterator[tuple[str, str]]:
        currency = getattr(self, "currency", "")
        digits = digits_of(currency)
        stated = {name: getattr(self, name, None) for name in ("total", "amount", "tip", "given")}
        if isinstance(self, DayClosed):
            stated["sums.total"] = self.sums.get("total")
            stated |= {f"tenders.{name}": each for name, each in self.tenders.items()}
        for place, each in stated.items():
            if isinstance(each, Decimal) and each != rounded(each, digits):
                yield place, f"has more than the {digits} decimals of {currency}"


class OfTill(InCurrency):
    """Which till speaks. ``day`` is stated by tills whose numbers begin again every business day;
    without it, an id is unique for ever."""

    till: Till = ""
    day: Day | None = None


class OfOrder(OfTill):
    """About one order of a till."""

    order_id: Key


class StatedLine(Line):
    """One line of an order. Its ``amount``, after its own discount, is the one that the till
    states, else quantity × price, rounded to the currency's digits, less the discount. A gift has
    the amount 0 but was cooked; a void line counts nowhere; the amount of one that is ``returned``
    in exchange for the others is taken off."""

    line_id: OptionalKey = ""
    price: Price
    amount: Money | None = None
    discount: Money = Decimal(0)
    state: LineState = "sold"
    role: LineRole = "item"
    parent: OptionalKey = ""
    options: list[Name] = Field(default=[], max_length=100)
    note: Reason = ""
    tax: StatedTax | None = None

    @field_validator("quantity", "price", "discount", "amount", mode="before")
    @classmethod
    def _is_not_negative(cls, value: Any) -> Any:
        with suppress(ArithmeticError):
            if Decimal(str(value)) < 0:
                raise ValueError(
                    "is negative: a line that takes goods back states it as returned, and a "
                    "discount is an entry of the bill"
                )
        return value


class Part(Payload):
    """A part of an order or refund that is kept in its row. Unknown fields are kept with the event
    alone."""

    def to_keep(self) -> dict[str, Any]:
        """The known fields as JSON, without defaults."""
        known = set(type(self).model_fields)
        return self.model_dump(mode="json", exclude_defaults=True, include=known)


class BillEntry(Part):
    """A discount, charge, tax or rounding of the whole order. ``platform`` is the share of it that
    a delivery platform bears (a discount) or keeps (a charge). An included tax is not added.
    ``rate`` is in per cent."""

    kind: BillKind
    amount: Number
    name: Name = ""
    code: Label = ""
    rate: Rate | None = None
    included: bool = False
    platform: Money = Decimal(0)

    @model_validator(mode="after")
    def _only_rounding_is_signed(self) -> Self:
        if self.amount < 0 and self.kind != "rounding":
            raise ValueError(f"a {self.kind} is not negative: its kind says its sign")
        return self


class OrderStated(OfOrder):
    """The complete order as it stands: order.stated."""

    lines: list[StatedLine] = Field(max_length=MOST_LINES)
    bill: list[BillEntry] = Field(default=[], max_length=MOST_BILL_ENTRIES)
    total: Money | None = None
    currency: Currency = ""
    status: Literal[Status, ""] = ""
    channel: Literal["", Channel] = ""
    platform: Label = ""
    platform_number: Label = ""
    ticket: Label = ""
    table: Label = ""
    guests: Annotated[int, Field(ge=0, le=MOST_GUESTS)] | None = None
    placed_at: Moment | None = None
    promised_at: Moment | None = None
    closed_at: Moment | None = None
    business_day: Day | None = None
    member: Label = ""
    staff: Label = ""
    invoice: Label = ""
    note: Reason = ""
    phone_last4: Annotated[Coerced, StringConstraints(pattern=r"^(\d{4})?$")] = ""
    split_from: OptionalKey = ""
    replaces: OptionalKey = ""

    @model_validator(mode="after")
    def _sums_fit_their_columns(self) -> Self:
        digits = digits_of(self.currency)
        if sum(amount_of(line, digits=digits) for line in self.lines) >= LARGEST_TOTAL:
            raise ValueError(f"the lines add up to {LARGEST_TOTAL:,} or more")
        if sum(abs(entry.amount) for entry in self.bill) >= LARGEST_TOTAL:
            raise ValueError(f"the entries of the bill add up to {LARGEST_TOTAL:,} or more")
        return self


class OrderStatusChanged(OfOrder):
    """order.status_changed."""

    status: Status
    reason: Reason = ""
    by: Label = ""


class OrdersMerged(OfTill):
    """Orders were merged into another one: order.merged. The till states that one anew."""

    into: Key
    orders: list[Key] = Field(min_length=1, max_length=100)


class PaymentStated(OfOrder):
    """A payment as it stands: payment.stated. ``amount`` is without the tip."""

    payment_id: Key
    amount: Money
    currency: Currency = ""
    tender: Literal["", Tender] = ""
    tip: Money = Decimal(0)
    given: Money | None = None
    status: PaymentStatus = "completed"
    fee: Money = Decimal(0)
    settled: bool = False
    paid_amount: Money | None = None
    paid_currency: Currency = ""
    business_day: Day | None = None


class ReturnedLine(Part):
    """What a refund returns for one line."""

    line_id: OptionalKey = ""
    name: Name = ""
    quantity: Quantity | None = None
    amount: Money


class RefundStated(OfOrder):
    """A refund as it stands: refund.stated. A return lowers what was sold; a reversal undoes a
    payment, so that the guest owes it again. One of the ``whole`` order gives back what other
    refunds left of its amount."""

    refund_id: Key
    payment_id: OptionalKey = ""
    amount: Money
    currency: Currency = ""
    kind: RefundKind = "return"
    whole: bool = False
    lines: list[ReturnedLine] = Field(default=[], max_length=MOST_LINES)
    tender: Literal["", Tender] = ""
    tip: Money = Decimal(0)
    status: PaymentStatus = "completed"
    reason: Reason = ""
    business_day: Day | None = None


class SettlementStated(OfOrder):
    """What a platform pays out for an order: settlement.stated."""

    payout: Number
    commission: Money = Decimal(0)
    fees: Money = Decimal(0)
    final: bool = False


class DayClosed(OfTill):
    """A till's own totals of a business day: day.closed. They are compared with ours. ``sums`` and
    ``tenders`` hold what the till states; what it leaves out is not compared."""

    business_day: Day
    currency: Currency = ""
    orders: Annotated[int, Field(ge=0, le=MOST_OF_A_DAY)] | None = None
    guests: Annotated[int, Field(ge=0, le=MOST_OF_A_DAY)] | None = None
    first_ticket: Label = ""
    last_ticket: Label = ""
    sums: dict[DaySum, Total] = {}
    tenders: dict[Literal["", Tender], Total] = {}


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null")
    return value


class TillPushed(Payload):
    """What a till or platform pushed, kept whole as it came, to be mapped later: till.pushed."""

    vendor: Annotated[Label, StringConstraints(min_length=1)]
    body: Annotated[Any, AfterValidator(_not_null)]
    headers: dict[str, str] = {}


PUSHED_BYTES = 1024 * 1024
"""The largest push that is kept: some tills push whole orders of more than 600 KB."""


def without_credentials(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload of a push without the headers that are credentials. Headers that are no object
    are left out as a whole, because nobody can tell what they contain; the schema refuses them."""
    if "headers" not in payload:
        return payload
    headers = payload["headers"]
    if not isinstance(headers, Mapping):
        return {**payload, "headers": None}
    safe = {name: value for name, value in headers.items() if not is_credential(str(name))}
    return {**payload, "headers": safe}
