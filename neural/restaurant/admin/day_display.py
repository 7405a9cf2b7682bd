"""The page of a store's business day: who may see our figures, their names, the sum from gross to
net, and the charts, in the units of their view boxes.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from neural.admin.display import badge
from neural.kit.charts import Bar, standing
from neural.kit.sites import address_in_admin
from neural.models import Store
from neural.restaurant.admin.amounts import amount_in, tender
from neural.restaurant.days.comparing import Comparison
from neural.restaurant.days.figures import Counts, Sales
from neural.restaurant.days.summary import (
    CurrencyDay,
    DaySummary,
    dead_runs,
    is_behind,
    refused_events,
    summarise,
)
from neural.restaurant.models import Channel, DayClose, Order, OrderState, OrderStatus, Payment
from neural.restaurant.models.amounts import digits_of, rounded
from neural.restaurant.schemas.fields import EARLIEST_YEAR, LATEST_YEAR


def sees_days(user: Any) -> bool:
    """Whether a user may see what is added up from closes, orders and payments: all of these must
    be visible too."""
    return bool(user.has_perms(map(_to_view, (DayClose, Order, Payment))))


def shown_to(user: Any, columns: Sequence[Any]) -> list[Any]:
    """Without what is added up from orders and payments for who may not see these."""
    if sees_days(user):
        return [*columns]
    plain = ("day_display" if each == "day_page" else each for each in columns)
    return [each for each in plain if each != "agreement_display"]


def _to_view(model: Any) -> str:
    meta = model._meta
    return f"{meta.app_label}.{get_permission_codename('view', meta)}"


FIGURES: dict[str, Any] = {
    "gross": _("gross"),
    "discounts": _("discounts"),
    "charges": _("charges"),
    "tax": _("tax, added and included"),
    "rounding": _("rounding"),
    "total": _("total"),
    "tips": _("tips"),
    "refunds": _("refunds"),
    "orders": _("orders"),
    "guests": _("guests"),
}
NOT_TAKEN_IN: dict[str, Any] = {
    "on_account": _("on account: not received yet"),
    "stored_value": _("stored value: received before"),
    "points": _("points: no money"),
    "voucher": _("vouchers: no money on this day"),
    "platform": _("paid to the platform: it pays out later"),
}
HOUR_WIDTH, HEIGHT = 10, 100
ORDINARY_DIGITS = 2
SHORTEST = 1
"""So that little looks different from nothing."""


def figure(amount: Decimal | int | None, currency: str = "") -> str:
    """An amount with the digits of its currency, or a number."""
    if isinstance(amount, int):
        return str(amount).replace("-", "−")
    return amount_in(amount, currency)


def signed(amount: Decimal | int | None, currency: str = "") -> str:
    """An amount or number that is added or taken off, with its sign."""
    return f"+{figure(amount, currency)}" if amount and amount > 0 else figure(amount, currency)


def average(amount: Decimal | None, currency: str = "") -> str:
    """An average, rounded to the digits of its currency."""
    return figure(amount and rounded(amount, _digits(currency)), currency)


def _digits(currency: str) -> int:
    return digits_of(currency) if currency else ORDINARY_DIGITS


def name_of_figure(name: str) -> str:
    return str(FIGURES[name])


def name_of_tender(name: str) -> str:
    """A tender's name; that of a translated payment is whatever its till calls it."""
    return tender(name) if name else gettext("not stated")


def why_not_taken_in(tender_code: str) -> str:
    return str(NOT_TAKEN_IN[tender_code])


def name_of_channel(channel: str, platform: str) -> str:
    """A channel with its platform."""
    label = str(Channel(channel).label) if channel in Channel.values else gettext("not stated")
    return f"{label} · {platform}" if platform else label


def agreement(comparison: Comparison) -> SafeString | str:
    """Whether what a till states is what we have."""
    if not comparison.comparable:
        return badge("unhandled", _("several currencies"))
    if comparison.agrees is None:
        return badge("expected", _("states nothing to compare"))
    if comparison.agrees:
        return badge("succeeded", _("agrees"))
    count = comparison.differing
    text = ngettext("%(count)d figure differs", "%(count)d figures differ", count)
    return badge("dead", text % {"count": count})


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the sum: ``sign`` is what it does to the lines above, = for their result."""

    sign: str
    label: Any
    amount: str
    note: str = ""


def steps(sales: Sales, currency: str) -> list[Step]:
    """The sum from gross to total and from total to net. A difference of nothing is left out."""

    def step(sign: str, label: Any, amount: Decimal, *notes: tuple[str, Decimal]) -> Step:
        visible = (signed if sign == "±" else figure)(amount, currency)
        parts = (text % {"amount": figure(part, currency)} for text, part in notes if part)
        return Step(sign, label, visible, "; ".join(parts))

    return [
        step("", _("gross"), sales.gross),
        step(
            "−",
            _("discounts"),
            sales.discounts,
            (gettext("%(amount)s on lines"), sales.line_discounts),
            (gettext("%(amount)s borne by platforms"), sales.platform_discounts),
        ),
        step(
            "+",
            _("charges"),
            sales.charges,
            (gettext("%(amount)s kept by platforms"), sales.platform_charges),
        ),
        step("+", _("added tax"), sales.tax),
        step("±", _("rounding"), sales.rounding),
        *([step("±", _("does not add up"), sales.difference)] if sales.difference else []),
        step(
            "=",
            _("total"),
            sales.total,
            (gettext("%(amount)s top-ups, which are no sale"), sales.deferred),
            (gettext("%(amount)s tax is included"), sales.tax_included),
            (gettext("%(amount)s commission of platforms"), sales.commission),
        ),
        step("−", _("returned, on this day or later"), sales.returned),
        step("=", _("net"), sales.net),
    ]


def bars(currency: CurrencyDay) -> Sequence[Bar]:
    """A bar for each hour in which something was sold."""
    top = max((total for *_, total in currency.hours), default=Decimal(0)) or Decimal(1)
    return [
        standing(
            place,
            float(total / top),
            step=HOUR_WIDTH,
            height=HEIGHT,
            gap=0.2,
            title=f"{hour:02}:00 · {figure(total, currency.currency)} · {orders_counted(count)}",
        )
        for place, (hour, count, total) in enumerate(currency.hours)
        if count
    ]


def orders_counted(count: int) -> str:
    return ngettext("%(count)d order", "%(count)d orders", count) % {"count": count}


def share(part: Decimal, whole: Decimal) -> int:
    """How many hundredths of the whole a part is, at least one."""
    return max(round(part / whole * HEIGHT), SHORTEST) if whole and part else 0


ONE_DAY = dt.timedelta(days=1)

KINDS: dict[str, tuple[Any, dict[str, str]]] = {
    "placed": (OrderState.PLACED.label, {"state": "placed"}),
    **{
        str(status): (status.label, {"status": str(status)})
        for status in (
            OrderStatus.CANCELLED,
            OrderStatus.VOIDED,
            OrderStatus.REJECTED,
            OrderStatus.MERGED,
        )
    },
    "expected": (_("expected: only payments or statuses are known"), {"apart": "1"}),
    "unsettled": (_("unsettled"), {"unsettled": "1"}),
    "not_adding_up": (_("do not add up"), {"differs": "1"}),
    "given_twice": (_("number given twice"), {"twice": "1"}),
    "late_change": (_("changed long after closing"), {"late": "1"}),
}
"""The kinds of orders that are counted: what they are called, and the filters that list them."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of orders, and where they are listed; empty where the list lacks such a filter."""

    label: Any
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Section:
    """One currency of the day, as it is shown."""

    of: CurrencyDay
    steps: Sequence[Step]
    bars: Sequence[Bar]

    @property
    def chart_width(self) -> int:
        return len(self.of.hours) * HOUR_WIDTH


def context_of(store: Store, day: dt.date, *, user: Any) -> dict[str, Any]:
    """The context of the page's template. Runs and refused events are shown to those who may see
    them."""
    summary = summarise(store, day)
    return {
        "title": gettext("Business day of %(store)s") % {"store": store},
        "store": store,
        "summary": summary,
        "sections": [
            Section(each, steps(each.sales, each.currency), bars(each))
            for each in summary.currencies
        ],
        "counted": counted(summary),
        "orders_address": orders_address(summary, {}),
        "currencies_apart": len(summary.currencies) > 1,
        "day_before": day - ONE_DAY,
        "day_after": day + ONE_DAY,
        "is_behind": is_behind(store, day),
        "dead_runs": dead_runs(store, day) if user.has_perm("neural.view_taskrun") else (),
        "refused": refused_events(store, day) if user.has_perm("neural.view_refusedevent") else (),
    }


def counted(summary: DaySummary) -> list[Counted]:
    """The orders of the day by kind; kinds without any are left out, but for those that count."""
    counts: Counts = summary.counts
    found = [(name, getattr(counts, name)) for name in KINDS]
    return [
        Counted(KINDS[name][0], count, orders_address(summary, KINDS[name][1]))
        for name, count in found
        if count or name == "placed"
    ]


def orders_address(summary: DaySummary, filters: dict[str, str]) -> str:
    """The list of these orders of the day; empty if it lacks one of the filters."""
    known: set[str] = getattr(admin.site._registry.get(Order), "parameters", set())
    if not known.issuperset(filters):
        return ""
    query = {"store": summary.store.pk, "day": summary.day.isoformat(), **filters}
    return f"{address_in_admin('neural_restaurant_order_changelist')}?{urlencode(query)}"


def day_address(code: str, day: dt.date | None) -> str:
    """The address of a store's business day."""
    address = address_in_admin("neural_restaurant_dayclose_day", code)
    return f"{address}?{urlencode({'day': day.isoformat()})}" if day else address


def day_in(text: str | None) -> dt.date | None:
    """A day from the address; anything else is ignored."""
    try:
        day = dt.date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if EARLIEST_YEAR <= day.year <= LATEST_YEAR else None
