"""What a store reported lately and is not believed, for people to look at."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from neural.forecasting.core.doubtful import WINDOW_DAYS
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.sales import sales_of
from neural.models import Store

SHOWN_DAYS = 2 * WINDOW_DAYS
_READ_DAYS = SHOWN_DAYS + WINDOW_DAYS


class Doubt(NamedTuple):
    """A dish's day that its forecast leaves out."""

    day: dt.date
    dish: str
    name: str
    reported: float
    usual: float

    @property
    def reported_shown(self) -> str:
        return f"{self.reported:,.0f}"

    @property
    def usual_shown(self) -> str:
        return f"{self.usual:,.0f}"


def doubts_of(store: Store, *, today: dt.date) -> Sequence[Doubt]:
    """Of the last eight weeks, the newest first."""
    try:
        sales = sales_of(store, today=today, history_days=_READ_DAYS)
    except NotEnoughHistory:
        return []
    since = today - dt.timedelta(days=SHOWN_DAYS)
    found = [
        Doubt(sales.day(row), sales.dishes[column], sales.names[column], reported, usual)
        for row, column, reported, usual in sales.doubtful
    ]
    return sorted((each for each in found if each.day >= since), reverse=True)
