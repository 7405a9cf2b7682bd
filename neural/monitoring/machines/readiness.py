"""Whether this process can do its work: the database answers and is migrated. The broker is told,
and not required: without it events are recorded all the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock

from django.db import Error
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from neural.broker.connections import close_quietly, must_accept, short_tempered_connection
from neural.health.database import impatient_database
from neural.ledger import dialects

DATABASE_SECONDS = 1
"""How long each statement may take. How long connecting may take is the database's own option."""

PATIENCE_SECONDS = 2
"""How long a check waits for another one of the same part."""

_database_lock, _broker_lock = Lock(), Lock()

Name = tuple[str, str]
"""App and name of a migration."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found of one part."""

    name: str
    fails: bool
    required: bool = True
    detail: str = ""
    """For people who may see it: errors name hosts."""


def checks() -> list[Check]:
    """Database, migrations and broker; in about two seconds at most, once connected.

    Each part is asked by one thread at a time: a database that neither answers nor refuses must not
    take all threads of the web process, which would then not answer ``/healthz`` either.
    """
    return [
        *_alone(_database_lock, _of_database, Check(name="database", fails=True, detail=_BUSY)),
        *_alone(_broker_lock, _broker, _broken(_BUSY)),
    ]


_BUSY = f"another check has waited for it for over {PATIENCE_SECONDS} s"


def _alone(lock: Lock, check: Callable[[], list[Check]], busy: Check) -> list[Check]:
    if not lock.acquire(timeout=PATIENCE_SECONDS):
        return [busy]
    try:
        return check()
    finally:
        lock.release()


def _of_database() -> list[Check]:
    try:
        with impatient_database(DATABASE_SECONDS):
            applied = set(MigrationRecorder(dialects.ledger_connection()).applied_migrations())
    except Error as error:
        dialects.ledger_connection().close()  # the next check connects anew
        return [Check(name="database", fails=True, detail=str(error).strip())]
    missing = sorted(
        name
        for name, replaced in known_migrations().items()
        if name not in applied and not (replaced and applied.issuperset(replaced))
    )
    return [
        Check(name="database", fails=False),
        Check(name="migrations", fails=bool(missing), detail=", ".join(map(".".join, missing))),
    ]


@cache
def known_migrations() -> Mapping[Name, Sequence[Name]]:
    """Each migration of this code with those that it replaces, which may have been applied in its
    place. Reading them takes about 0.1 s, once."""
    nodes = MigrationLoader(None).graph.nodes
    return {name: [*map(tuple, migration.replaces)] for name, migration in nodes.items()}


def _broken(detail: str) -> Check:
    return Check(name="broker", fails=True, required=False, detail=detail)


def _broker() -> list[Check]:
    connection = short_tempered_connection()
    try:
        must_accept(connection.default_channel)
    except Exception as error:  # noqa: BLE001 (whatever a transport raises is the answer)
        return [_broken(str(error) or type(error).__name__)]
    finally:
        close_quietly(connection)
    return [Check(name="broker", fails=False, required=False)]
