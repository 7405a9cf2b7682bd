"""Fills the columns of orders and payments that the first version does not write.

It works in slices, each a short transaction, while workers run. Rows that are filled already are
left alone, so it can be repeated: after the last worker of the first version has stopped.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, Value, When

from neural.restaurant.keys import order_key, payment_key
from neural.restaurant.models.amounts import total_field

SLICE = 2000
Progress = Callable[[int], None]
"""Is told how many rows were looked at since it was last told."""


def fill_orders(order_model: Any, *, using: str, progress: Progress = lambda rows: None) -> int:
    """Give orders their number, the sum of their lines, and whether they are settled. Returns how
    many orders were filled."""
    filled = 0
    for rows in _slices(order_model.objects.using(using), progress):
        unfilled = rows.filter(number="")
        with transaction.atomic(using=using):
            for order in unfilled.filter(_has_sign("key")).select_for_update():
                key = order_key(order_id=order.key)
                filled += _rename(order_model, order, using=using, key=key, number=order.key)
            filled += unfilled.exclude(_has_sign("key")).update(number=F("key"), **_FOLLOWING)
    return filled


_SUM = total_field("")
_COUNTED = Case(When(state="placed", then=F("total")), default=Value(Decimal(0)), output_field=_SUM)
_SETTLED = Q(paid=_COUNTED + F("refunded") - F("returned"))
_FOLLOWING = {
    "items": F("total"),
    "unsettled": Case(When(_SETTLED, then=Value(False)), default=Value(True)),
}


def fill_payments(
    payment_model: Any,
    stores: dict[str, Any],
    *,
    using: str,
    progress: Progress = lambda rows: None,
) -> int:
    """Give payments and refunds their id and their business day. ``stores`` are the stores by code.
    Returns how many were filled."""
    filled = 0
    for rows in _slices(payment_model.objects.using(using), progress):
        with transaction.atomic(using=using):
            days: defaultdict[Any, list[int]] = defaultdict(list)
            unfilled = rows.filter(reference="").select_for_update()
            for payment in unfilled.only("key", "store", "occurred_at"):
                day = stores[payment.store_id].business_day(payment.occurred_at)
                if "/" in payment.key or "%" in payment.key:
                    key = payment_key(payment_id=payment.key, order="")
                    values = {"reference": payment.key, "business_day": day}
                    filled += _rename(payment_model, payment, using=using, key=key, **values)
                else:
                    days[day].append(payment.pk)
            for day, pks in days.items():
                own = payment_model.objects.using(using).filter(pk__in=pks)
                filled += own.update(reference=F("key"), business_day=day)
    return filled


def _has_sign(name: str) -> Q:
    """The condition that a key has a sign which keys now write as in a URL."""
    return Q(**{f"{name}__contains": "/"}) | Q(**{f"{name}__contains": "%"})


def _rename(model: Any, row: Any, *, using: str, **values: Any) -> int:
    """Give a row its new key, unless a newer worker has made a row of that key meanwhile: then both
    are kept, and this one keeps its key."""
    own = model.objects.using(using).filter(pk=row.pk)
    try:
        with transaction.atomic(using=using):
            return own.update(**values, **(_FOLLOWING if "number" in values else {}))
    except IntegrityError:
        del values["key"]
        return own.update(**values, **(_FOLLOWING if "number" in values else {}))


def _slices(rows: Any, progress: Progress) -> Iterator[Any]:
    """The rows in slices along the primary key, up to the last one of now."""
    last = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    done = 0
    while done < last:
        end = (
            rows.filter(pk__gt=done).order_by("pk").values_list("pk", flat=True)[SLICE - 1 : SLICE]
        )
        until = next(iter(end), last)
        yield rows.filter(pk__gt=done, pk__lte=until)
        done = until
        progress(SLICE)
