"""The measured events: sales of three dishes, one report for each store and day."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import neural
from benchmarks.growth.ledger import STORES, execute

FIRST_DAY = dt.date(2030, 1, 1)
DAYS_A_ROUND = 100


def reports(place: int, first: int, last: int) -> list[dict[str, Any]]:
    """Some reports of one round; no two rounds report the same day."""
    return [_report(place, number) for number in range(first, last)]


def _report(place: int, number: int) -> dict[str, Any]:
    day = FIRST_DAY + dt.timedelta(days=DAYS_A_ROUND * place + number // STORES)
    store = f"S{number % STORES:03}"
    lines = [{"dish": f"dish-{each}", "quantity": number % 90 + each} for each in range(3)]
    return {
        "type": "sales.reported",
        "store": store,
        "source": "till",
        "event_id": f"{store}-{day}",
        "payload": {"day": day.isoformat(), "lines": lines},
    }


def finish_newest(number: int) -> None:
    """Mark ``number`` waiting runs as finished, so that they are out of the way."""
    execute(
        "UPDATE neural_taskrun SET state = 'succeeded', finished_at = now() WHERE id IN "
        "(SELECT id FROM neural_taskrun WHERE state = 'pending' ORDER BY id DESC LIMIT %s)",
        [number],
    )


def submit(each: Sequence[dict[str, Any]]) -> None:
    for report in each:
        neural.submit(**report).or_raise()


def submit_many(each: Sequence[dict[str, Any]]) -> None:
    for answer in neural.submit_many(each):
        answer.or_raise()
