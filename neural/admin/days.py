"""Walks over days: lists in the order of days, for the rows of a few stores.

An index begins with the store, so each store's days are walked apart: as many of the next ones as
have rows for a page. All rows of such a day are looked at, because the list orders them itself.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Model, QuerySet

from neural.admin import bounded
from neural.admin.walks import LANE, columns_of, reverse, seeing


@dataclass(frozen=True)
class Days:
    """The next days of these stores, from a day on, newest first or rising.

    ``columns`` are those of the index: the store, a kind of rows, the day, and the rest.
    """

    model: type[Model]
    columns: Sequence[str]
    stores: Sequence[str]
    kind: str
    day: dt.date | None
    rises: bool
    size: int

    def of(self, queryset: QuerySet) -> QuerySet:
        """The same query on nothing but these days."""
        rows = self._rows
        if self.stop is not None:
            rows = rows.filter(**{self._until(not self.rises): self.stop})
        return seeing(queryset, rows, self.stores)

    @cached_property
    def stop(self) -> dt.date | None:
        """The last day that is looked at; none where all are."""
        most = max(self.size + 1, bounded.MOST_ROWS // max(len(self.stores), 1))
        last = self._rows[most - 1 : most]
        everything = self.model._base_manager.order_by()
        days = list(seeing(everything, last, self.stores).values_list(self.columns[2], flat=True))
        return (min if self.rises else max)(days, default=None)

    @property
    def _rows(self) -> QuerySet:
        store, kind, *_ = self.columns
        value: Any = self.stores[0] if len(self.stores) == 1 else LANE
        rows = self.model._base_manager.filter(
            **{f"{store}__gte": value, f"{store}__lte": value, kind: self.kind}
        )
        if self.day is not None:
            rows = rows.filter(**{self._until(self.rises): self.day})
        order = columns_of(self.model, self.columns)
        return rows.order_by(*(order if self.rises else reverse(order)))

    def _until(self, later: bool) -> str:
        return f"{self.columns[2]}__{'gte' if later else 'lte'}"
