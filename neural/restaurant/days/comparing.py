"""Our figures of a day beside what its tills state. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from neural.restaurant.days.figures import Figures, sum_of
from neural.restaurant.models import DayClose

Amount = Decimal | int


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure; ``stated`` is None where the till leaves it out."""

    name: str
    ours: Amount
    stated: Amount | None

    @property
    def difference(self) -> Amount | None:
        """Stated less ours; None where nothing is stated."""
        return None if self.stated is None else self.stated - self.ours

    @property
    def differs(self) -> bool:
        return bool(self.difference)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What a close states beside our figures. ``till`` is None for all tills together.
    ``comparable`` is False where the close names no currency, and ours are of several."""

    till: str | None
    currency: str
    figures: Sequence[Compared] = ()
    tenders: Sequence[Compared] = ()
    close: DayClose | None = None
    comparable: bool = True

    @property
    def differing(self) -> int:
        """How many figures differ."""
        return sum(each.differs for each in (*self.figures, *self.tenders))

    @property
    def stated(self) -> Sequence[Compared]:
        """The figures that the till states."""
        return [each for each in self.figures if each.stated is not None]

    @property
    def left_out(self) -> Sequence[Compared]:
        """The figures that it leaves out."""
        return [each for each in self.figures if each.stated is None]

    @property
    def states_tenders(self) -> bool:
        return any(each.stated is not None for each in self.tenders)

    @property
    def agrees(self) -> bool | None:
        """Whether all that is stated is what we have; None where nothing can be compared."""
        something = self.comparable and (self.stated or self.states_tenders)
        return not self.differing if something else None


def compare(close: DayClose, tills: Mapping[tuple[str, str], Figures]) -> Comparison:
    """A close beside the figures of its till; one that names no till speaks for the whole store.
    A close without a currency has the only one that is named; so have our figures without one."""
    own = {key: figures for key, figures in tills.items() if close.till in ("", key[0])}
    currency = _currency(close.currency, own)
    if currency is None:
        return Comparison(till=close.till, currency="", close=close, comparable=False)
    ours = _in_currency(currency, own)
    return Comparison(
        till=close.till,
        currency=currency,
        figures=_figures(ours, _stated([close])),
        tenders=_tenders(ours, _stated_tenders([close])),
        close=close,
    )


def compare_all_tills(
    closes: Collection[DayClose], tills: Mapping[tuple[str, str], Figures]
) -> list[Comparison]:
    """All tills of the store together, in each currency in which several of them have closed. A
    figure is compared if all of them state it."""
    return [
        _compare_all_tills([each for each in closes if each.till and each.currency == name], tills)
        for name in sorted({each.currency for each in closes})
        if sum(each.currency == name and bool(each.till) for each in closes) > 1
    ]


def _compare_all_tills(
    closes: Sequence[DayClose], tills: Mapping[tuple[str, str], Figures]
) -> Comparison:
    currency = _currency(closes[0].currency, tills)
    if currency is None:
        return Comparison(till=None, currency="", comparable=False)
    ours = _in_currency(currency, tills)
    return Comparison(
        till=None,
        currency=currency,
        figures=_figures(ours, _stated(closes)),
        tenders=_tenders(ours, _stated_tenders(closes)),
    )


def _named(tills: Iterable[tuple[str, str]]) -> set[str]:
    return {currency for _, currency in tills} - {""}


def _currency(stated: str, tills: Collection[tuple[str, str]]) -> str | None:
    """The currency to compare in; None if a close states none and several are named."""
    named = _named(tills)
    if stated or not named:
        return stated
    return named.pop() if len(named) == 1 else None


def _in_currency(currency: str, tills: Mapping[tuple[str, str], Figures]) -> Figures:
    """Our figures in this currency, and those without one unless they may be of another: an
    expected order's payment often states none."""
    wanted = {currency, ""} if _named(tills) <= {currency} else {currency}
    return sum_of(each for (_, its), each in tills.items() if its in wanted)


def _figures(ours: Figures, stated: Mapping[str, Amount]) -> list[Compared]:
    sales, money = ours.sales, ours.money
    own: dict[str, Amount] = {
        "gross": sales.gross,
        "discounts": sales.discounts,
        "charges": sales.charges,
        "tax": sales.all_tax,
        "rounding": sales.rounding,
        "total": sales.total,
        "tips": money.all.tips,
        "refunds": money.refunds,
        "orders": sales.orders,
        "guests": sales.guests,
    }
    return [Compared(name, amount, stated.get(name)) for name, amount in own.items()]


def _tenders(ours: Figures, stated: Mapping[str, Amount]) -> list[Compared]:
    own = {name: tender.received for name, tender in ours.money.tenders.items()}
    names = sorted({*own, *stated})
    return [Compared(name, own.get(name, Decimal(0)), stated.get(name)) for name in names]


def _stated(closes: Sequence[DayClose]) -> dict[str, Amount]:
    return _added(_statements(close) for close in closes)


def _statements(close: DayClose) -> dict[str, Amount]:
    counts = {"orders": close.orders, "guests": close.guests}
    known = {name: count for name, count in counts.items() if count is not None}
    return {**close.stated_sums, **known}


def _stated_tenders(closes: Sequence[DayClose]) -> dict[str, Amount]:
    """A tender that one till leaves out, while it states others, is 0 there."""
    found: dict[str, Amount] = {}
    if all(close.tenders for close in closes):
        for close in closes:
            for name, amount in close.stated_tenders.items():
                found[name] = found.get(name, Decimal(0)) + amount
    return found


def _added(statements: Iterable[dict[str, Amount]]) -> dict[str, Amount]:
    first, *others = statements
    return {
        name: amount + sum(each[name] for each in others)
        for name, amount in first.items()
        if all(name in each for each in others)
    }
