"""The database's clock, by which due times and heartbeats are written."""

import datetime as dt

from neural.runs import sql


def database_clock() -> dt.datetime:
    """Now, as the database says."""
    with sql.ledger_connection().cursor() as cursor:
        cursor.execute(f"SELECT {sql.clock()}", [])
        (now,) = cursor.fetchone()
    # SQLite has no type for times.
    return now if isinstance(now, dt.datetime) else dt.datetime.fromisoformat(f"{now}+00:00")
