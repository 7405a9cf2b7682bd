"""Django's DATABASES for an address."""

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


def configuration(
    *, url: str | None, var: Path, base_dir: Path, connect_seconds: int = 5
) -> dict[str, Any]:
    """Django's DATABASES entry for `url`; without one, SQLite in `var`.

    Every SQLite database gets the same options, however it was named. A `connect_timeout` in `url`
    replaces `connect_seconds`.
    """
    if url is None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": var / "zhilian.sqlite3",
            **_sqlite(var),
        }
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config["ENGINE"] != "django.db.backends.sqlite3":
        # A web thread or pool process keeps its connection, and checks first whether it is alive.
        # Otherwise every task after a database restart would fail once.
        return {
            **config,
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                # libpq itself would wait for a frozen server for ever, and for a host without
                # power for the minutes that the kernel tries.
                "connect_timeout": connect_seconds,
                **_impatience_with_the_gone(),
                **_PREPARED,
                **config.get("OPTIONS", {}),
            },
        }
    if config["NAME"] in ("", ":memory:"):
        raise ImproperlyConfigured(
            "DATABASE_URL: an in-memory database cannot be shared by web and workers."
        )
    # Relative to the project, not to the current directory.
    return {**config, "NAME": Path(base_dir, config["NAME"]), **_sqlite(var)}


def _impatience_with_the_gone() -> dict[str, Any]:
    """Options that make PostgreSQL end the transaction of a host that froze or lost its power.

    Otherwise, its locks would block the restart of its runs for hours. With 45 s, such runs start
    again within 60 s of the fault. Atomic work takes much less; longer work is two-step.
    """
    return {
        "options": "-c idle_in_transaction_session_timeout=45s -c tcp_keepalives_idle=20 "
        "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
        "keepalives_idle": 20,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


# The ledger's own statements, the same ones hundreds of times a second, are planned once.
_PREPARED = {"prepare_threshold": 5}


def _sqlite(var: Path) -> dict[str, Any]:
    return {
        "OPTIONS": {
            # A transaction that begins as a reader and then writes fails at once with 'database is
            # locked' if another process wrote in between; IMMEDIATE waits.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # FULL: 'accepted' must survive a power cut; WAL with NORMAL does not promise it.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            ),
        },
        # A file, because tests start real workers on it; one for each test run.
        "TEST": {"NAME": var / f"test-{os.getpid()}.sqlite3"},
    }
