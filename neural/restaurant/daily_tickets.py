"""From which day a store's order numbers may begin again every day."""

import datetime as dt
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db.models import Min
from django.db.models.functions import Substr
from django.utils.translation import gettext_lazy as _

from neural.models import Store
from neural.restaurant.models import Order


def check_daily_tickets(store: Store) -> None:
    """Raise ``ValidationError`` if existing orders have keys of the other kind: stated again, each
    would be another order and count twice."""
    since = store.daily_tickets_since
    before = Store.objects.filter(pk=store.pk).values_list("daily_tickets_since", flat=True).first()
    if since == before:
        return
    if since is not None:
        _refuse_orders_without_day(store, since)
    if before is not None and (since is None or since > before):
        _refuse_orders_with_day(store, before, since)


def _refuse_orders_without_day(store: Store, since: dt.date) -> None:
    """Refuse a day if orders from it on have keys that name neither till nor day."""
    orders = Order.objects.filter(store=store.pk, business_day__gte=since)
    named = orders.exclude(key__startswith="/").order_by("-business_day")
    last = named.values_list("business_day", flat=True).first()
    if last is not None:
        _refuse(
            _(
                "There are orders up to %(last)s whose numbers were taken as unique for "
                "ever. Stated again, they would count twice. The earliest day is "
                "%(earliest)s."
            ),
            code="orders_without_day",
            last=last,
            earliest=last + dt.timedelta(days=1),
        )


def _refuse_orders_with_day(store: Store, before: dt.date, since: dt.date | None) -> None:
    """Refuse a later day, or none, if orders from before it have keys with their day."""
    days = Order.objects.filter(store=store.pk, key__startswith="//").annotate(
        day=Substr("key", 3, 10)
    )
    days = days.filter(day__gte=before.isoformat(), day__lt=(since or dt.date.max).isoformat())
    first = days.aggregate(first=Min("day"))["first"]
    if first is not None:
        _refuse(
            _(
                "Orders since %(first)s have numbers of their day. Stated again, they would count "
                "twice. The latest day is %(first)s."
            ),
            code="orders_with_day",
            first=first,
        )


def _refuse(message: Any, *, code: str, **params: Any) -> NoReturn:
    error = ValidationError(message, code=code, params=params)
    raise ValidationError({"daily_tickets_since": error})
