"""What the page of a store's business day shows."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.models import Store
from neural.restaurant.admin.day_display import HOUR_WIDTH, Bar, Step, bars, steps
from neural.restaurant.days.figures import Counts
from neural.restaurant.days.summary import (
    CurrencyDay,
    DaySummary,
    dead_runs,
    refused_events,
    summarise,
)
from neural.restaurant.models import Order, OrderState, OrderStatus
from neural.restaurant.schemas.fields import EARLIEST_YEAR, LATEST_YEAR
from neural.sites import address_in_admin

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
