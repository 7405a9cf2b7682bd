"""The HTTP API's endpoints of forecasts, loaded if ``neural.api`` is installed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from ninja import Query, Router, Schema
from pydantic import Field

from neural.api.access import Caller, KeyWith
from neural.api.models import Scope
from neural.api.openapi import answers
from neural.api.problems import ApiProblem
from neural.api.reading.fields import AskedDay, Day, Instant, StoreCode, text
from neural.api.reading.pages import cursor_at, invalid, link_to_next, page_size, place_in
from neural.forecasting.core.series import HORIZONS
from neural.forecasting.models import Forecast
from neural.ledger.clock import database_clock
from neural.models import Store

LIST = "forecasts"
MOST_DAYS = 31
LONGEST_CURSOR = 1080
"""That of a dish's code of 200 characters of four bytes, in base64."""

router = Router(tags=["Forecasts"])
_: Any = gettext_lazy  # django-ninja's annotations know no lazy text


class ForecastOfDay(Schema):
    """The expected sales of a dish on a day, in portions."""

    day: Day
    closed: bool = Field(description="Whether the store is closed on this day.")
    mean: float | None
    p10: float | None = Field(description="One day in ten sells less.")
    p50: float | None
    p90: float | None = Field(description="One day in ten sells more.")
    made_on: Day = Field(description="The last business day that was known.")
    made_at: Instant
    method: str = Field(examples=["blend"])
    version: int | None = Field(description="The model's version; null for a simple rule.")


class ForecastOfDish(Schema):
    """The forecasts of a dish, by day."""

    dish: str = Field(examples=["D7"])
    name: str = Field(examples=["麻婆豆腐"])
    days: list[ForecastOfDay]


class ForecastList(Schema):
    """Forecasts of a store's dishes, by their codes."""

    store: str = Field(examples=["S01"])
    items: list[ForecastOfDish]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class ForecastFilters(Schema):
    """Which forecasts to read."""

    store: StoreCode = Field(description="The code of the store.")
    dish: text(200, example="D7") | None = Field(  # type: ignore[valid-type]
        None, description="The code of one dish."
    )
    first: AskedDay | None = Field(
        None, alias="from", description="The first day; the store's own today by default."
    )
    last: AskedDay | None = Field(
        None,
        alias="to",
        description="The last day: at most 31 days in all; by default, 14.",
    )
    limit: int | None = Field(
        None, ge=1, le=1000, description="The most dishes of a page.", examples=[100]
    )
    cursor: text(LONGEST_CURSOR) | None = Field(  # type: ignore[valid-type]
        None, description="The member `next` of the page before."
    )


@router.get(
    "/forecasts",
    auth=KeyWith(Scope.FORECASTS),
    response=ForecastList,
    operation_id="list_forecasts",
    summary=_("Read the forecasts of a store"),
    openapi_extra=answers(404),
)
def list_forecasts(
    request: HttpRequest, response: HttpResponse, asked: Query[ForecastFilters]
) -> ForecastList:
    """For each dish and day, the newest forecast that was made before the day. Days of which there
    is no forecast are left out."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    store = Store.objects.in_stores(caller.stores).filter(pk=asked.store).first()
    if store is None:
        raise ApiProblem(404, "there is no such store among those of this key")
    size, after = page_size(asked.limit), place_in(LIST, asked.cursor)
    made = _newest_before(store, _days(store, asked))
    rows = Forecast.objects.filter(store=store, made_on__in=set(made.values()))
    dishes = _dishes(rows if asked.dish is None else rows.filter(dish=asked.dish), after, size + 1)
    page = rows.filter(dish__in=dishes[:size]).select_related("version")
    page = page.defer("version__content", "version__metrics")
    by_day = {(row.dish, row.made_on): row for row in page}
    following = cursor_at(LIST, dishes[size - 1]) if len(dishes) > size else None
    link_to_next(request, response, following)
    items = [_of_dish(dish, made, by_day) for dish in dishes[:size]]
    return ForecastList(store=store.pk, items=[each for each in items if each.days], next=following)


def _days(store: Store, asked: ForecastFilters) -> Sequence[dt.date]:
    first = asked.first or (
        store.business_day(database_clock())
        if asked.last is None
        else asked.last - dt.timedelta(days=HORIZONS - 1)
    )
    last = asked.last or first + dt.timedelta(days=HORIZONS - 1)
    number = (last - first).days + 1
    if number < 1:
        raise invalid("query.to", "is before the first day")
    if number > MOST_DAYS:
        raise invalid("query.to", f"is more than {MOST_DAYS} days from the first day on")
    return [first + dt.timedelta(days=place) for place in range(number)]


def _newest_before(store: Store, days: Sequence[dt.date]) -> Mapping[dt.date, dt.date]:
    """For each day, the newest day after which a forecast that covers it was made."""
    oldest = days[0] - dt.timedelta(days=HORIZONS)
    rows = Forecast.objects.filter(store=store, made_on__gte=oldest, made_on__lt=days[-1])
    made = sorted(rows.values_list("made_on", flat=True).order_by().distinct())
    found = {}
    for day in days:
        before = [each for each in made if 0 < (day - each).days <= HORIZONS]
        if before:
            found[day] = before[-1]
    return found


def _dishes(rows: Any, after: str | None, most: int) -> list[str]:
    """The codes of the next dishes, in the order of the database's collation."""
    later = rows if after is None else rows.filter(dish__gt=after)
    return list(later.order_by("dish").values_list("dish", flat=True).distinct()[:most])


def _of_dish(
    dish: str,
    made: Mapping[dt.date, dt.date],
    rows: Mapping[tuple[str, dt.date], Forecast],
) -> ForecastOfDish:
    found = [(day, rows.get((dish, made_on))) for day, made_on in made.items()]
    days = [_of_day(row, day) for day, row in found if row and _covers(row, day)]
    name = next((row.name for _, row in reversed(found) if row), "")
    return ForecastOfDish(dish=dish, name=name, days=days)


def _covers(row: Forecast, day: dt.date) -> bool:
    return (day - row.made_on).days <= len(row.p50)


def _of_day(row: Forecast, day: dt.date) -> ForecastOfDay:
    place = (day - row.made_on).days - 1
    return ForecastOfDay(
        day=day,
        closed=row.p50[place] is None,
        mean=row.mean[place],
        p10=row.p10[place],
        p50=row.p50[place],
        p90=row.p90[place],
        made_on=row.made_on,
        made_at=row.made_at,
        method=row.method,
        version=row.version.number if row.version else None,
    )
