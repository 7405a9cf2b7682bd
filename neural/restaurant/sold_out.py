"""How long dishes were sold out, from the reports about them. Pure.

The newest report of a dish decides from its time on: it is sold out until the next one says that it
is available, or until a stated time. A dish that sold on a later day was back by the beginning of
that day, whether or not its store said so.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Span = tuple[dt.datetime, dt.datetime]
"""A beginning and an end."""


class Report(NamedTuple):
    """A report of a dish; a greater version is newer."""

    version: bytes
    at: dt.datetime
    sold_out: bool
    until: dt.datetime | None


def periods(reports: Iterable[Report], *, end: dt.datetime) -> list[Span]:
    """The periods up to ``end`` in which a dish was sold out, oldest first, for its reports in any
    order."""
    ordered = sorted(reports)
    ends = [each.at for each in ordered[1:]] + [end]
    found = []
    for report, following in zip(ordered, ends, strict=True):
        until = min(following, report.until or end, end)
        if report.sold_out and report.at < until:
            found.append((report.at, until))
    return found


def sold_out_shares(
    spans: Iterable[Span], opened: Mapping[dt.date, Span], *, sold_on: frozenset[dt.date]
) -> dict[dt.date, float]:
    """The share of each day's open hours in which a dish was sold out, by day, where it is not 0.

    ``opened`` are the open hours of the days in question, ``sold_on`` the days on which the dish
    sold.
    """
    shares: dict[dt.date, float] = {}
    for start, end in spans:
        for day in sorted(opened):
            first, last = opened[day]
            if last <= start or end <= first:
                continue
            if start < first and end >= last and day in sold_on:
                break  # it sold, and nothing else says since when: it was back
            lost = (min(end, last) - max(start, first)) / (last - first)
            shares[day] = min(shares.get(day, 0.0) + lost, 1.0)
    return shares
