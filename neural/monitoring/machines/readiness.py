"""Whether this process can do its work: the database answers and is migrated. The broker is told,
and not required: without it events are recorded all the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from django.db import Error
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from neural.broker.connections import close_quietly, must_accept, short_tempered_connection
from neural.health.database import impatient_database
from neural.ledger import dialects

DATABASE_SECONDS = 1
"""How long each statement may take. How long connecting may take is the database's own option."""

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
    """Database, migrations and broker; in about two seconds at most, once connected."""
    return [*_of_database(), _broker()]


def _of_database() -> list[Check]:
    try:
        with impatient_database(DATABASE_SECONDS):
            applied = set(MigrationRecorder(dialects.ledger_connection()).applied_migrations())
    except Error as error:
        dialects.ledger_connection().close()  # the next check connects anew
        return [Check(name="database", fails=True, detail=str(error).strip())]
    missing = sorted(
        name for name, replaced in known_migrations().items() if not {name, *replaced} & applied
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


def _broker() -> Check:
    connection = short_tempered_connection()
    try:
        must_accept(connection.default_channel)
    except Exception as error:  # noqa: BLE001 (whatever a transport raises is the answer)
        told = str(error) or type(error).__name__
        return Check(name="broker", fails=True, required=False, detail=told)
    finally:
        close_quietly(connection)
    return Check(name="broker", fails=False, required=False)
