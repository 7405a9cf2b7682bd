"""Lists that page by key in the order of several columns.

The address still names one row (``?before=<pk>``); its columns say where the next page
begins. An index on these columns serves it, whatever page it is.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from neural.admin.paging import KeysetChangeList
from neural.admin.walks import Place


class OrderedChangeList(KeysetChangeList):
    """In the order of the admin's ``page_order``, which ends in the primary key."""

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        """The page at this place, as :func:`ordered_page` has it."""
        model_admin: Any = self.model_admin
        self.result_list, newer, older = ordered_page(
            model_admin.for_page(self.queryset),
            order=model_admin.page_order,
            size=self.list_per_page,
            before=place.before,
            after=place.after,
        )
        rows = self.result_list
        return rows[0].pk if newer else None, rows[-1].pk if older else None


def ordered_page(
    queryset: QuerySet, *, order: Sequence[str], size: int, before: int | None, after: int | None
) -> tuple[Sequence[Any], bool, bool]:
    """The rows of one page, and whether there are some ahead of and behind them.

    ``before`` and ``after`` are keys of rows at the edge of the page one came from, as in
    ``neural.admin.paging``. If that row is gone, the first page is shown.
    """
    key = after if after is not None else before
    edge = queryset.filter(pk=key).first() if key is not None else None
    if edge is not None:
        way = reverse(order) if after is not None else order
        rows = list(queryset.filter(behind(edge, way)).order_by(*way)[: size + 1])
        more = len(rows) > size
        if rows and after is not None:
            return rows[:size][::-1], more, True
        if rows:
            return rows[:size], True, more
    rows = list(queryset.order_by(*order)[: size + 1])
    return rows[:size], False, len(rows) > size


def reverse(order: Sequence[str]) -> Sequence[str]:
    """The same order from its end."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


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
