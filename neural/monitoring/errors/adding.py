"""Adds failed attempts to the rows that count them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from neural.monitoring.upsert import GREATEST, LEAST, SUM, add_up


@dataclass
class Count:
    """Failed attempts, and when the first and the last of them ended."""

    attempts: int
    first_at: dt.datetime
    last_at: dt.datetime

    def add(self, at: dt.datetime) -> None:
        """Count one more."""
        self.attempts += 1
        self.first_at, self.last_at = min(self.first_at, at), max(self.last_at, at)


def add(
    model: type[Model],
    keys: Sequence[str],
    counts: Mapping[tuple[Any, ...], Count],
    *,
    times: bool = False,
) -> None:
    """Add these counts to the rows with these values of ``keys``, which a constraint makes unique.

    With ``times`` the rows also have ``first_at`` and ``last_at``.
    """
    how = {"attempts": SUM}
    if times:
        how |= {"first_at": LEAST, "last_at": GREATEST}
    rows = [(*key, *(getattr(count, name) for name in how)) for key, count in counts.items()]
    add_up(model, keys, how, rows)
