"""Notes when a key was last used: at most once a minute a key and process.

The note is worth less than the request that it is about. So it skips a row that is locked, waits at
most :data:`PATIENCE_MS`, and whatever fails is left out until the next minute.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from neural.api.models import ApiKey
from neural.ledger.dialects import dialect_of

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60
PATIENCE_MS = 50
REMEMBERED_KEYS = 10_000

_noted: dict[int, float] = {}
"""When this process last noted each key, by its own clock."""


def note_use(key: ApiKey) -> None:
    """Note that the key is in use now, unless this process did so within the last minute."""
    now = time.monotonic()
    if now - _noted.get(key.pk, -EVERY_SECONDS) < EVERY_SECONDS:
        return
    if len(_noted) >= REMEMBERED_KEYS:
        _noted.clear()
    _noted[key.pk] = now
    try:
        _write(key)
    except (DatabaseError, InterfaceError) as error:
        logger.info("event=api_key_use_not_noted key=%s error=%r", key.prefix, str(error))


def _write(key: ApiKey) -> None:
    database = router.db_for_write(ApiKey)
    with _little_patience(connections[database]), transaction.atomic(using=database):
        unlocked = ApiKey.objects.using(database).filter(pk=key.pk).not_used_within(EVERY_SECONDS)
        # In a list, not in a subquery: Django leaves the lock out of a subquery.
        free = list(unlocked.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if free:
            ApiKey.objects.using(database).filter(pk__in=free).update(last_used_at=Now())


@contextmanager
def _little_patience(connection: BaseDatabaseWrapper) -> Iterator[None]:
    dialect = dialect_of(connection)
    with connection.cursor() as cursor:
        before = dialect.patience(cursor)
        dialect.set_patience(cursor, str(PATIENCE_MS))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            dialect.set_patience(cursor, before)
