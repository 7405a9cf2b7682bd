"""The source of sales for forecasting: daily demand and sales reports."""

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, FloatField, Max, OuterRef, QuerySet
from django.db.models.functions import Cast

from neural.events.submit import submit
from neural.forecasting.sources import ChannelRow, SoldRow, register_demand_source
from neural.models import Store
from neural.restaurant.discounted_days import discounted_days
from neural.restaurant.models import DailyDemand, SalesReport
from neural.restaurant.models.newest import moment_of
from neural.restaurant.sold_by_channel import sold_by_channel
from neural.restaurant.sold_out_days import sold_out_days

_NEXT = dt.timedelta(microseconds=1)
_OF_EVENTS = ("sold_out", "discounted")


class DailySales:
    """A :class:`~neural.forecasting.sources.DemandSource` of the app's own rows."""

    def sales(self, store: Store, *, first: dt.date, until: dt.date) -> Iterable[SoldRow]:
        """Rows of daily demand from ``first`` to before ``until``."""
        found = DailyDemand.objects.filter(store=store, day__gte=first, day__lt=until)
        # As floats, because reading each Decimal would cost more than all the rest.
        amount = Cast("quantity", FloatField())
        rows = found.annotate(amount=amount).values_list("day", "dish", "name", "amount")
        return rows.order_by("day", "dish")

    def reports(
        self, store: Store, *, first: dt.date, until: dt.date
    ) -> Iterable[tuple[dt.date, Any]]:
        """What events say was sold out or discounted, and the contexts of sales reports (all but
        their lines), by day, in the order of their versions."""
        sold_out = sold_out_days(store, first=first, until=until)
        discounted = discounted_days(store, first=first, until=until)
        for day in sold_out.keys() | discounted.keys():
            yield day, {"sold_out": sold_out.get(day, {}), "discounted": discounted.get(day, {})}
        reports = SalesReport.objects.filter(store=store, day__gte=first, day__lt=until)
        rows = reports.exclude(context={}).order_by("version")
        for day, context in rows.values_list("day", "context"):
            yield day, _without_facts_of_events(context)

    def sales_by_channel(
        self, store: Store, *, first: dt.date, until: dt.date
    ) -> Iterable[ChannelRow]:
        """Portions of the orders that state a channel."""
        return sold_by_channel(store, first=first, until=until)

    def confirm(self, store: Store, *, day: dt.date, dish: str, by: str) -> None:
        """Submit the day's report again, with the dish among its ``confirmed``. Without a report,
        one without lines leaves the sums of orders as they are. A correction that was sent
        meanwhile is newer."""
        report = SalesReport.objects.filter(store=store, day=day).first()
        context = report.context if report else {}
        known = context.get("confirmed")
        told = {*(known if isinstance(known, list) else ()), dish}
        stated = {"day": day.isoformat(), "lines": report.lines if report else []}
        submit(
            type="sales.reported",
            store=store.pk,
            source="console",
            event_id=f"confirmed/{uuid.uuid4()}",
            payload={**context, **stated, "confirmed": sorted(map(str, told))},
            occurred_at=moment_of(report.version) + _NEXT if report else None,
            requested_by=by,
        ).or_raise()

    def selling_stores(
        self, *, first: dt.date, last: dt.date, least_days: int = 1
    ) -> QuerySet[Any, Any]:
        """The codes of stores that sold on enough days; repeated if ``least_days`` is 1."""
        sold = DailyDemand.objects.filter(day__gte=first, day__lte=last, quantity__gt=0)
        stores = sold.values("store")
        if least_days == 1:
            return stores
        known = stores.annotate(days=Count("day", distinct=True))
        return known.filter(days__gte=least_days).values("store")

    def ever_sold(self) -> Exists:
        """The condition that a store has any row of daily demand."""
        return Exists(DailyDemand.objects.filter(store=OuterRef("pk")))

    def last_day_of(self, store: Store) -> dt.date | None:
        """The last day on which the store sold something."""
        demand = DailyDemand.objects.filter(store=store, quantity__gt=0)
        return demand.order_by("-day").values_list("day", flat=True).first()

    def last_days(self) -> Iterable[dt.date]:
        """The last day of sales of each store, newest first."""
        sold = DailyDemand.objects.filter(quantity__gt=0).values("store")
        return sold.annotate(last=Max("day")).values_list("last", flat=True).order_by("-last")


def _without_facts_of_events(context: Any) -> Any:
    """A report's context without the names that stand for what events say. A report may use them
    for something of its own."""
    if isinstance(context, dict):
        return {
            name: _without_facts_of_events(value)
            for name, value in context.items()
            if name not in _OF_EVENTS
        }
    if isinstance(context, list):
        return [_without_facts_of_events(each) for each in context]
    return context


register_demand_source(DailySales())
