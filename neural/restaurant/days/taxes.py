"""The tax of a store's business day by rate, from the bills of its orders, by SQL."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from neural.ledger import dialects
from neural.restaurant.days.sums import Day
from neural.restaurant.models.amounts import rounded


@dataclass(frozen=True, slots=True)
class TaxOfRate:
    """The tax of one rate; ``rate`` is in per cent, and None where bills state none."""

    rate: Decimal | None
    added: Decimal = Decimal(0)
    included: Decimal = Decimal(0)


def taxes_of(day: Day) -> dict[str, list[TaxOfRate]]:
    """The tax of a day by currency and rate."""
    sums: defaultdict[tuple[str, Decimal | None], list[Decimal]] = defaultdict(
        lambda: [Decimal(0), Decimal(0)]
    )
    for currency, rate, included, amount in _tax_rows(day):
        place = str(included) in ("1", "true", "True")
        sums[currency, _rate(rate)][place] += rounded(Decimal(str(amount)))
    found: defaultdict[str, list[TaxOfRate]] = defaultdict(list)
    for (currency, rate), (added, inside) in sorted(sums.items(), key=_by_rate):
        found[currency].append(TaxOfRate(rate, added, inside))
    return dict(found)


def _rate(stated: Any) -> Decimal | None:
    """A rate as a number, so that 6, 6.0 and 6.00 are one."""
    return None if stated is None else Decimal(str(stated)).normalize()


def _by_rate(item: tuple[tuple[str, Decimal | None], Any]) -> Any:
    (currency, rate), _ = item
    return (currency, rate is None, rate or 0)


def _tax_rows(day: Day) -> Iterable[Sequence[Any]]:
    entries = dialects.ledger_dialect().join_elements("placed.bill", "entry")
    sql = f"""
    SELECT placed.currency, entry.value->>'rate', entry.value->>'included',
           SUM(CAST(entry.value->>'amount' AS numeric))
    FROM neural_order AS placed {entries}
    WHERE placed.store_id = %s AND placed.business_day = %s AND placed.state = 'placed'
      AND entry.value->>'kind' = 'tax'
    GROUP BY placed.currency, entry.value->>'rate', entry.value->>'included'
    """
    store, date = day
    with dialects.preparing_cursor() as cursor:
        cursor.execute(sql, [store, date.isoformat()])
        return list(cursor.fetchall())
