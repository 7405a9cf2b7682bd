"""Lists that page by key in the order of several columns.

The address still names one row (``?before=<pk>``); its columns say where the next page
begins. An index on these columns serves it, whatever page it is.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from neural.admin import bounded
from neural.admin.bounded import Found
from neural.admin.days import Days
from neural.admin.paging import KeysetChangeList, neighbours
from neural.admin.planning import stores_of
from neural.admin.walks import Place, indexes_alone, reverse


class OrderedChangeList(KeysetChangeList):
    """In the order of the admin's ``page_order``: a day first, the primary key last.

    Of a few stores only the next days are looked at, by the admin's ``days``.
    """

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        """The page at this place, as :func:`next_page` has it."""
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
        shown = page[:size]
        self.result_list = shown[::-1] if place.rises else shown
        self.looked_at = bounded.MOST_ROWS if cut else None
        keys = [row.pk for row in self.result_list]
        return neighbours(Found(keys, len(page) > size or cut, stop), place)

    def _edge(self, place: Place, request: HttpRequest) -> Any:
        """The row at the edge of the page one came from, if the user may see it. If it is gone:
        the first page."""
        key = place.after if place.rises else place.before
        rows = self.model_admin.get_queryset(request)
        return None if key is None else rows.filter(pk=key).first()

    def _days(self, request: HttpRequest, edge: Any, place: Place) -> Days | None:
        model_admin: Any = self.model_admin
        stores = stores_of(model_admin.chosen(request), user=request.user)
        if not stores:
            return None  # of every store: the index of the order itself; of none: nothing
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
    """Rows that come after this one in an order. No column of it may be NULL."""
    found, equal = Q(), Q()
    for name in order:
        column, beyond = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        value = getattr(edge, column)
        found |= equal & Q(**{f"{column}__{beyond}": value})
        equal &= Q(**{column: value})
    # Follows from the rest; without it no database would begin in the middle of the index.
    first, limit = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{limit}": getattr(edge, first)}) & found
