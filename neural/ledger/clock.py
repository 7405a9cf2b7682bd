"""The database's clock, by which due times and heartbeats are written.

Whatever is compared with a time in a row is asked here: the clocks of hosts differ.
"""

import datetime as dt
import time

from neural.ledger import dialects


def database_clock() -> dt.datetime:
    """Now, as the database says."""
    with dialects.ledger_connection().cursor() as cursor:
        cursor.execute(f"SELECT {dialects.ledger_dialect().clock}", [])
        (now,) = cursor.fetchone()
    # SQLite has no type for times.
    return now if isinstance(now, dt.datetime) else dt.datetime.fromisoformat(f"{now}+00:00")


class CarriedClock:
    """The database's clock as this process carries it on by its own monotonic one, for those who
    look at it more often than they may ask. Until it is asked it is the host's."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._answer = dt.datetime.now(dt.UTC)

    def now(self) -> dt.datetime:
        if self._asked_at is None:
            return dt.datetime.now(dt.UTC)
        return self._answer + dt.timedelta(seconds=time.monotonic() - self._asked_at)

    def ask(self) -> float:
        """Set it by the database's, and say by how many seconds it had been behind that."""
        before = time.monotonic()
        answer = database_clock()
        middle = (before + time.monotonic()) / 2
        carried = self.now() - dt.timedelta(seconds=time.monotonic() - middle)
        self._asked_at, self._answer = middle, answer
        return (answer - carried).total_seconds()


carried = CarriedClock()
