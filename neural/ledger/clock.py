"""The database's clock, which is used for due times and heartbeats.

Times that are compared with times in rows come from here, because the clocks of hosts differ.
"""

import datetime as dt
import time

from neural.ledger import dialects


def database_clock() -> dt.datetime:
    """The database's current time, in UTC."""
    with dialects.ledger_connection().cursor() as cursor:
        cursor.execute(f"SELECT {dialects.ledger_dialect().clock}", [])
        (now,) = cursor.fetchone()
    return as_moment(now)


def as_moment(value: dt.datetime | str) -> dt.datetime:
    """A time that hand-written SQL returned; on SQLite that is a text, or has no zone."""
    read = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


class CarriedClock:
    """An estimate of the database's clock, for code that needs it too often to query it.

    :meth:`ask` queries the database; from then on the process's monotonic clock continues the
    answer. Before the first query, this is the host's clock.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._answer = dt.datetime.now(dt.UTC)

    def now(self) -> dt.datetime:
        """The current time of this clock, in UTC."""
        if self._asked_at is None:
            return dt.datetime.now(dt.UTC)
        return self._answer + dt.timedelta(seconds=time.monotonic() - self._asked_at)

    def ask(self) -> float:
        """Set this clock by the database's. Returns by how many seconds it was behind."""
        before = time.monotonic()
        answer = database_clock()
        middle = (before + time.monotonic()) / 2
        carried = self.now() - dt.timedelta(seconds=time.monotonic() - middle)
        self._asked_at, self._answer = middle, answer
        return (answer - carried).total_seconds()


carried = CarriedClock()
