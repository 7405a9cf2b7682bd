"""Lists that page by key: the newest rows first, or in the order of several columns, the day first.

A list of ten million rows is neither counted (COUNT reads them all) nor paged by OFFSET (which
reads what it skips). One page is one walk along the primary key's index.

In a list by day the address still names one row (``?before=<pk>``); the columns of that row say
where the next page begins. An index on these columns serves every page. For a list of a few stores
the index begins with the store. So the days of each store are walked separately: as many days as
are needed to fill a page. All rows of such a day are read, because the list sorts them itself.
"""

import datetime as dt
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from neural.kit.keyset import bounded
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.planning import stores_of
from neural.kit.keyset.walks import PREFIX, Place, columns_of, indexes_alone, reverse, seeing

BEFORE, AFTER = "before", "after"
MOST_COUNTED = 1000


class FirstPagePaginator(Paginator):
    """A single page that is never counted, for the admin's autocompletion."""

    @cached_property
    def count(self) -> int:
        """The number of rows on the first page."""
        first_page: Any = self.object_list[: self.per_page]
        return len(first_page.values_list("pk"))


class KeysetChangeList(ChangeList):
    """Django's list, paged by ``?before=<pk>`` and ``?after=<pk>``."""

    keyset = True

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        """The filtered rows. The place in the list is no filter, and new filters drop it."""
        for name in (BEFORE, AFTER):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    looked_at: int | None = None
    """How many rows were read, if the page stopped before it was full and before the last row."""

    def get_results(self, request: HttpRequest) -> None:
        """Load one page beside the key in the address, or the newest rows."""
        place = Place(
            before=key_in(request.GET.get(BEFORE)) if AFTER not in request.GET else None,
            after=key_in(request.GET.get(AFTER)),
        )
        newer, older = self.show(place, request)
        self.newer_url = self._address(AFTER, newer)
        self.older_url = self._address(BEFORE, older)
        self.newest_url = None if newer is None else self.get_query_string()
        self._say_nothing_of_the_total(request)

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        """Load the rows of this page; returns the keys around which it has neighbours.

        Rows are assumed to exist on the side from which the user came. Beyond the newest row there
        is no page: the newest page is shown instead.
        """
        found = self._find(place, request)
        if not found.keys and found.stopped_at is None and place.rises:
            place = Place()
            found = self._find(place, request)
        model_admin: Any = self.model_admin
        rows = model_admin.for_page(self.queryset).order_by().in_bulk(found.keys)
        self.result_list = [rows[key] for key in found.keys if key in rows]
        self.looked_at = None if found.stopped_at is None else bounded.MOST_ROWS
        return neighbours(found, place)

    def _find(self, place: Place, request: HttpRequest) -> KeyPage:
        model_admin: Any = self.model_admin
        found: KeyPage = model_admin.find(
            request, self.queryset, place=place, size=self.list_per_page
        )
        return found

    def _say_nothing_of_the_total(self, request: HttpRequest) -> None:
        """Fill the counts that Django's templates ask for with those of this page."""
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.multi_page = self.can_show_all = False
        self.show_admin_actions = bool(self.result_list)
        self.paginator = self.model_admin.get_paginator(
            request, self.queryset.none(), self.list_per_page
        )

    def _address(self, name: str, key: int | None) -> str | None:
        return None if key is None else self.get_query_string({name: key})


class CountedList(KeysetChangeList):
    """A list of which only the number of rows is asked for, as far as one page can look."""

    def get_results(self, request: HttpRequest) -> None:
        """Count the rows, at most :data:`MOST_COUNTED`."""
        model_admin: Any = self.model_admin
        found = model_admin.find(request, self.queryset, place=Place(), size=MOST_COUNTED)
        is_more = found.more or found.stopped_at is not None
        self.count_text = f"{len(found.keys):,}" + ("+" if is_more else "")
        self.result_list = []
        self._say_nothing_of_the_total(request)


def neighbours(found: KeyPage, place: Place) -> tuple[int | None, int | None]:
    """The key above which there are newer rows, and the key below which there are older ones."""
    newest, oldest = (found.keys[0], found.keys[-1]) if found.keys else (None, None)
    if place.after is not None:
        onward = newest if found.stopped_at is None else found.stopped_at
        return onward if found.more else None, oldest or place.after + 1
    onward = oldest if found.stopped_at is None else found.stopped_at
    back = None if place.before is None else newest or place.before - 1
    return back, onward if found.more else None


def key_in(text: str | None) -> int | None:
    """The primary key in an address's parameter; None for anything else."""
    if text and text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return None


@dataclass(frozen=True)
class Days:
    """The next days of some stores, starting from a day, newest first or oldest first.

    ``columns`` are the columns of the index: the store, a kind of rows, the day, and the rest.
    """

    model: type[Model]
    columns: Sequence[str]
    stores: Sequence[str]
    kind: str
    day: dt.date | None
    rises: bool
    size: int

    def of(self, queryset: QuerySet) -> QuerySet:
        """The same query, limited to these days."""
        rows = self._rows
        if self.stop is not None:
            rows = rows.filter(**{self._until(not self.rises): self.stop})
        return seeing(queryset, rows, self.stores)

    @cached_property
    def stop(self) -> dt.date | None:
        """The last day that is read; None if all days are."""
        most = max(self.size + 1, bounded.MOST_ROWS // max(len(self.stores), 1))
        last = self._rows[most - 1 : most]
        everything = self.model._base_manager.order_by()
        days = list(seeing(everything, last, self.stores).values_list(self.columns[2], flat=True))
        return (min if self.rises else max)(days, default=None)

    @property
    def _rows(self) -> QuerySet:
        store, kind, *_ = self.columns
        value: Any = self.stores[0] if len(self.stores) == 1 else PREFIX
        rows = self.model._base_manager.filter(
            **{f"{store}__gte": value, f"{store}__lte": value, kind: self.kind}
        )
        if self.day is not None:
            rows = rows.filter(**{self._until(self.rises): self.day})
        order = columns_of(self.model, self.columns)
        return rows.order_by(*(order if self.rises else reverse(order)))

    def _until(self, later: bool) -> str:
        return f"{self.columns[2]}__{'gte' if later else 'lte'}"


class OrderedChangeList(KeysetChangeList):
    """A list in the order of the admin's ``page_order``: a day first, the primary key last.

    For a few stores it reads only the next days, by the admin's ``days``.
    """

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        """Load the rows of the page at this place; see :meth:`KeysetChangeList.show`."""
        model_admin: Any = self.model_admin
        order, size = model_admin.page_order, self.list_per_page
        edge = self._edge(place, request)
        place = place if edge else Place()
        way = reverse(order) if place.rises else order
        days = self._days(request, edge, place)
        with indexes_alone(self.queryset.db) if days else nullcontext():
            rows = model_admin.for_page(self.queryset)
            page = next_page(days.of(rows) if days else rows, way=way, size=size, edge=edge)
            cut = days is not None and days.stop is not None and len(page) <= size
            stop = _last(days, way) if days and cut else None
        if not page and place.rises and stop is None:
            return self.show(Place(), request)
        visible = page[:size]
        self.result_list = visible[::-1] if place.rises else visible
        self.looked_at = bounded.MOST_ROWS if cut else None
        keys = [row.pk for row in self.result_list]
        return neighbours(KeyPage(keys, len(page) > size or cut, stop), place)

    def _edge(self, place: Place, request: HttpRequest) -> Any:
        """The row at the edge of the previous page, if the user may see it. None if it is gone;
        then the first page is shown."""
        key = place.after if place.rises else place.before
        rows = self.model_admin.get_queryset(request)
        return None if key is None else rows.filter(pk=key).first()

    def _days(self, request: HttpRequest, edge: Any, place: Place) -> Days | None:
        model_admin: Any = self.model_admin
        stores = stores_of(model_admin.chosen(request), user=request.user)
        if not stores:
            return None  # every store: the order's own index serves; no store: there are no rows
        _, kind, day, *_ = model_admin.days
        filters: Any = self.filter_specs
        values = {each.parameter_name: each.value() for each in filters}
        return Days(
            self.model,
            model_admin.days,
            stores,
            kind=values[kind],
            day=getattr(edge, day, None),
            rises=place.rises,
            size=self.list_per_page,
        )


def next_page(
    queryset: QuerySet, *, way: Sequence[str], size: int, edge: Model | None
) -> Sequence[Any]:
    """The rows of a page after an edge, and one more if there are more."""
    rows = queryset if edge is None else queryset.filter(behind(edge, way))
    return list(rows.order_by(*way)[: size + 1])


def _last(days: Days, way: Sequence[str]) -> int | None:
    rows = days.of(days.model._base_manager.order_by(*reverse(way)))
    return rows.values_list("pk", flat=True).first()


def behind(edge: Model, order: Sequence[str]) -> Q:
    """Condition for the rows that follow this one in an order. No column may be NULL."""
    found, equal = Q(), Q()
    for name in order:
        column, beyond = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        value = getattr(edge, column)
        found |= equal & Q(**{f"{column}__{beyond}": value})
        equal &= Q(**{column: value})
    # This follows from the rest; without it no database would start in the middle of the index.
    first, limit = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{limit}": getattr(edge, first)}) & found
