"""Submits the bakery chain's sales as history, at full speed or at a rate."""

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from neural.conf import conf
from neural.events.answers import Submission
from neural.events.submit import submit_many
from neural.models import Store
from neural.replay.bakery import BRAND, bakery_sales

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
