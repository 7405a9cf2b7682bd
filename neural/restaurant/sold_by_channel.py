"""How many portions of each dish left by which channel, by the orders."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import FloatField, Sum
from django.db.models.functions import Cast

from neural.models import Store
from neural.restaurant.models import LineRole, LineState, OrderLine, OrderState

_NO_PORTION = (LineRole.MODIFIER, LineRole.DEFERRED)


def sold_by_channel(
    store: Store, *, first: dt.date, until: dt.date
) -> Iterable[tuple[dt.date, str, str, float]]:
    """Business day, dish, channel and portions, from ``first`` to before ``until``: of the orders
    that count and state a channel. Portions are counted as in daily demand."""
    lines = OrderLine.objects.filter(
        order__store=store,
        order__business_day__gte=first,
        order__business_day__lt=until,
        order__state=OrderState.PLACED,
        order__channel__gt="",
    )
    counted = lines.exclude(state=LineState.VOID).exclude(role__in=_NO_PORTION)
    by = counted.order_by().values_list("order__business_day", "dish", "order__channel")
    return by.annotate(portions=Sum(Cast("quantity", FloatField())))
