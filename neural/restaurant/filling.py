"""Fills the columns of orders and payments that the first version does not write.

It works in slices, each a short transaction, while workers run. Rows that are as they should be are
left alone, so it can be repeated: after the last worker of the first version has stopped. Rows that
a worker holds meanwhile are not waited for, as that worker could wait for others of the slice; a
later pass takes them.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.lookups import GreaterThan, LessThan

from neural.errors import NeuralError
from neural.restaurant.keys import number_of, plain_key
from neural.restaurant.models.amounts import DECIMAL_PLACES, total_field

logger = logging.getLogger(__name__)

SLICE = 2000
SLICES_A_LINE = 50
"""After how many slices a line is logged."""
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
"""Seconds to wait before rows that workers held are looked for again."""
Progress = Callable[[int], None]
"""Is told how many rows were looked at since it was last told."""


class RowsHeld(NeuralError):
    """Some rows could not be filled, because other transactions held them all the time."""


def fill_orders(order_model: Any, *, using: str, progress: Progress = lambda rows: None) -> int:
    """Give orders their number, the sum of their lines, and whether they are settled. Returns how
    many orders were filled."""
    orders = order_model.objects.using(using)
    filled = 0
    for rows in _slices(orders, _UNFILLED_ORDER, progress):
        with transaction.atomic(using=using):
            held = _held(rows.filter(number=""), "key")
            for order in held:
                if _begins_with_sign(order.key):
                    key = plain_key(order.key)
                    _rename(orders, order, key=key, number=order.key, **_FOLLOWING)
            plain = [order.pk for order in held if not _begins_with_sign(order.key)]
            orders.filter(pk__in=plain).update(number=F("key"), **_FOLLOWING)
            restated = _held(rows.filter(_RESTATED))
            orders.filter(pk__in=_keys(restated)).update(**_AS_FIRST_VERSION)
            unlike = _held(rows.exclude(unsettled=_UNSETTLED))
            orders.filter(pk__in=_keys(unlike)).update(unsettled=_UNSETTLED)
        filled += len(set(_keys([*held, *restated, *unlike])))
    return filled


_SUM = total_field("")


def _is_zero(difference: Any) -> Q:
    """The condition that amounts make up for one another. SQLite calculates with floats."""
    smallest = Decimal(1).scaleb(-DECIMAL_PLACES)
    return Q(GreaterThan(difference, -smallest / 2)) & Q(LessThan(difference, smallest / 2))


_COUNTED = Case(When(state="placed", then=F("total")), default=Value(Decimal(0)), output_field=_SUM)
_SETTLED = _is_zero(_COUNTED + F("refunded") - F("returned") - F("paid"))
_UNSETTLED = Case(When(_SETTLED, then=Value(False)), default=Value(True))
_FOLLOWING = {"items": F("total"), "unsettled": _UNSETTLED}
_PARTS = F("items") - F("discounts") + F("charges") + F("tax") + F("rounding")
_RESTATED = ~_is_zero(_PARTS + F("difference") - F("total"))
"""The condition that the first version has stated the lines: it leaves the sums of parts alone."""
_UNFILLED_ORDER = Q(number="") | _RESTATED | ~Q(unsettled=_UNSETTLED)
_NOTHING = (
    "line_discounts",
    "deferred",
    "discounts",
    "charges",
    "tax",
    "tax_included",
    "rounding",
    "platform_discounts",
    "platform_charges",
    "difference",
)
_AS_FIRST_VERSION = {
    "items": F("total"),
    "bill": [],
    "adds_up": True,
    **dict.fromkeys(_NOTHING, Decimal(0)),
}


def fill_payments(
    payment_model: Any,
    store_of: Callable[[str], Any],
    *,
    using: str,
    progress: Progress = lambda rows: None,
) -> int:
    """Give payments and refunds their id and their business day. ``store_of`` returns a store by
    its code. Returns how many were filled."""
    payments = payment_model.objects.using(using)
    filled = 0
    for rows in _slices(payments, Q(reference=""), progress):
        with transaction.atomic(using=using):
            days: defaultdict[Any, list[int]] = defaultdict(list)
            held = _held(rows.filter(reference=""), "key", "store", "occurred_at")
            for payment in held:
                day = store_of(payment.store_id).business_day(payment.occurred_at)
                if _begins_with_sign(payment.key):
                    key = plain_key(payment.key)
                    _rename(payments, payment, key=key, reference=payment.key, business_day=day)
                else:
                    days[day].append(payment.pk)
            for day, pks in days.items():
                payments.filter(pk__in=pks).update(reference=F("key"), business_day=day)
        filled += len(held)
    return filled


def restore_keys(model: Any, *, using: str) -> None:
    """Give the rows of the first version the keys back that it knows them by."""
    rows = model.objects.using(using)
    for row in rows.filter(key__startswith="%").only("key"):
        _rename(rows, row, key=number_of(row.key))


def _begins_with_sign(key: str) -> bool:
    """Whether an id of the first version is written in another way as a key now."""
    return plain_key(key) != key


def _rename(rows: QuerySet, row: Any, *, key: str, **values: Any) -> None:
    """Give a row its new key, unless a newer worker has made a row of that key meanwhile: then both
    are kept, and this one keeps its key."""
    own = rows.filter(pk=row.pk)
    try:
        with transaction.atomic(using=rows.db):
            own.update(key=key, **values)
    except IntegrityError:
        if values:
            own.update(**values)


def _held(rows: QuerySet, *fields: str) -> list[Any]:
    """These rows, locked, but those that another transaction holds."""
    return list(rows.only(*fields or ("pk",)).select_for_update(skip_locked=True, no_key=True))


def _keys(rows: list[Any]) -> list[int]:
    return [row.pk for row in rows]


def _slices(rows: QuerySet, unfilled: Q, progress: Progress) -> Iterator[QuerySet]:
    """The rows in slices along the primary key, up to the last one of now; then again those slices
    in which rows were held by others. Raises :class:`RowsHeld`."""
    last = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    slices = _cut(rows, last)
    left: list[QuerySet] = []
    for pause in (*PAUSES, None):
        left = []
        for number, part in enumerate(slices, start=1):
            yield part
            progress(SLICE)
            if number % SLICES_A_LINE == 0:
                table = rows.model._meta.db_table
                logger.info("event=filling table=%s slices=%d", table, number)
            if part.filter(unfilled).exists():
                left.append(part)
        if not left:
            return
        if pause is None:
            break
        logger.info("event=filling_again slices=%d seconds=%.1f", len(left), pause)
        time.sleep(pause)
        slices = iter(left)
    raise RowsHeld(
        f"{rows.model._meta.db_table}: other transactions hold rows in {len(left)} slices of "
        f"{SLICE} rows for too long. What is filled is kept: look for transactions that stay open, "
        "then run `manage.py fill_orders`"
    )


def _cut(rows: QuerySet, last: int) -> Iterator[QuerySet]:
    done = 0
    while done < last:
        following = rows.filter(pk__gt=done).order_by("pk").values_list("pk", flat=True)
        until = next(iter(following[SLICE - 1 : SLICE]), last)
        yield rows.filter(pk__gt=done, pk__lte=until)
        done = until
