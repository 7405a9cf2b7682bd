"""Finds the events of an order or a payment by the number that people know, for the search of runs;
and tells which order an event of a shown run is about."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models.fields.json import KT
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.keyset.bounded import MOST_ROWS
from neural.keyset.exact import named_exactly
from neural.models import NeuralEvent
from neural.restaurant.models import Order, Payment
from neural.restaurant.models.newest import event_of
from neural.runs.about import About, register_about
from neural.runs.filters import RunFinder, register_run_finder
from neural.sites import page_of

ORDER_IDS = ("number", "platform_number", "key")
"""Columns of orders with an id that people type; each is the first one of an index."""
MOST_ORDERS = 5
"""A till may give the same number every day: the newest orders are meant."""
MOST_PAYMENTS = 50


def connect() -> None:
    """Add the finders; called when the app is ready."""
    register_run_finder(ORDER)
    register_run_finder(PAYMENT)
    register_about("neural_restaurant.order", orders_of)


def _events_of_order(user: Any, text: str, most: int) -> list[int]:
    """Of the newest orders with this number or key."""
    # The pages of the admin know which events are about an order.
    from neural.restaurant.admin.order_events import events_of

    found: list[int] = []
    for order in _orders(user, text):
        payments = order.payments.order_by("-pk")[:MOST_PAYMENTS]
        found += [each.event.pk for each in events_of(order, payments)]
    return found[:most]


def _orders(user: Any, text: str) -> Sequence[Order]:
    mine = Order.objects.for_user(user)
    keys = named_exactly(mine, text, ORDER_IDS, most=MOST_ORDERS)
    return list(Order.objects.filter(pk__in=keys))


def _events_of_payment(user: Any, text: str, most: int) -> list[int]:
    """Of payments and refunds with this id."""
    keys = named_exactly(Payment.objects.for_user(user), text, ["reference"], most=MOST_PAYMENTS)
    mine = Payment.objects.filter(pk__in=keys)
    wanted = {(*event_of(bytes(version)), store) for version, store in _versions(mine)}
    ids = {event_id for event_id, _source, _store in wanted}
    events = NeuralEvent.objects.for_user(user).filter(event_id__in=ids)
    found = events.values_list("pk", "event_id", "source", "store_id")
    return [pk for pk, *identity in found if tuple(identity) in wanted][:most]


def _versions(payments: Any) -> Iterable[tuple[bytes, str]]:
    found: Iterable[tuple[bytes, str]] = payments.values_list("version", "store_id")
    return found


ORDER = RunFinder(name="order", label=gettext_lazy("order number"), find=_events_of_order)
PAYMENT = RunFinder(name="payment", label=gettext_lazy("payment"), find=_events_of_payment)


def orders_of(events: Sequence[NeuralEvent], user: Any) -> Mapping[int, Sequence[About]]:
    """The orders that events of a page of runs name, with a link if it is clear which one it is."""
    numbers = _numbers(events)
    if not numbers:
        return {}
    known: dict[tuple[str, str], list[int]] = defaultdict(list)
    if user.has_perm("neural_restaurant.view_order"):
        stores = {event.store_id for event in events}
        rows = Order.objects.filter(number__in={*numbers.values()}, store__in=stores)
        for pk, number, store in rows.order_by().values_list("pk", "number", "store_id")[
            :MOST_ROWS
        ]:
            known[store, number].append(pk)
    shown = {}
    for event in events:
        if number := numbers.get(event.pk):
            keys = known[event.store_id, number]
            address = page_of(Order, keys[0]) if len(keys) == 1 else ""
            shown[event.pk] = [About(_("order %(number)s") % {"number": number}, address)]
    return shown


def _numbers(events: Sequence[NeuralEvent]) -> dict[int, str]:
    """The order numbers in the payloads. SQLite cannot look into one that is nested too deep; then
    no number of this page is shown."""
    rows = NeuralEvent.objects.filter(pk__in=[event.pk for event in events])
    try:
        with transaction.atomic():
            found = list(rows.values_list("pk", KT("payload__order_id")))
    except DatabaseError:
        return {}
    return {pk: number for pk, number in found if number and isinstance(number, str)}
