"""Days of demand for tests of the analysis."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from neural.models import Store
from neural.restaurant.analysis.analysing import AnalysisProgress, analyse_store
from neural.restaurant.models import DailyDemand, DemandSummary

MONDAY = dt.date(2026, 3, 2)
LATER = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
"""Every day of these tests has ended by then."""


def day(number: int) -> dt.date:
    """So many days after Monday, 2 March 2026."""
    return MONDAY + dt.timedelta(days=number)


def sell(store: Store, sold: Mapping[int, Any], dish: str = "rice", revenue: Any = None) -> None:
    """What a store reported of one dish, by the number of the day."""
    DailyDemand.objects.bulk_create(
        DailyDemand(
            store=store,
            day=day(number),
            dish=dish,
            name=dish.title(),
            reported_quantity=Decimal(quantity),
            reported_revenue=revenue,
        )
        for number, quantity in sold.items()
    )


def analyse(store: Store, **options: Any) -> AnalysisProgress:
    options.setdefault("now", LATER)
    options.setdefault("since", None)
    return analyse_store(store=store, **options)


def rows() -> Sequence[tuple[Any, ...]]:
    """All summaries, with their keys: a row that is written anew would show."""
    return list(DemandSummary.objects.order_by("pk").values_list())


def summary(period: str, starts: int, dish: str = "rice", at: str = "S01") -> DemandSummary:
    return DemandSummary.objects.get(store=at, period=period, starts_on=day(starts), dish=dish)
