"""From which day a store's order numbers may begin again every day."""

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from neural.models import Store
from neural.restaurant.models import Order


def check_daily_tickets(store: Store) -> None:
    """Raise ``ValidationError`` if the store has orders of these days whose key has no day: stated
    again, each would be another order and count twice."""
    since = store.daily_tickets_since
    if since is None or _is_so_already(store, since):
        return
    last = _last_day_without(store, since)
    if last is not None:
        raise ValidationError(
            {
                "daily_tickets_since": ValidationError(
                    _(
                        "There are orders up to %(last)s whose numbers were taken as unique for "
                        "ever. Stated again, they would count twice. The earliest day is "
                        "%(earliest)s."
                    ),
                    code="orders_without_day",
                    params={"last": last, "earliest": last + dt.timedelta(days=1)},
                )
            }
        )


def _is_so_already(store: Store, since: dt.date) -> bool:
    return Store.objects.filter(pk=store.pk, daily_tickets_since=since).exists()


def _last_day_without(store: Store, since: dt.date) -> dt.date | None:
    """The last day from ``since`` on with an order whose key names neither till nor day."""
    orders = Order.objects.filter(store=store.pk, business_day__gte=since)
    named = orders.exclude(key__contains="/").order_by("-business_day")
    return named.values_list("business_day", flat=True).first()
