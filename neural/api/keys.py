"""Issues, rotates, revokes and checks API keys.

A key is ``zn_<prefix>_<secret>``, so programs that look for leaked secrets can recognise it:
``zn_[0-9a-f]{10}_[A-Za-z0-9_-]{43}``. The prefix finds the row; the secret is compared by its hash,
in constant time. The secret has 256 random bits: a fast hash is enough, and nobody guesses it.
"""

import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from neural.api.models import ApiKey
from neural.kit.errors import NeuralError
from neural.ledger.dialects import ledger_connection, ledger_dialect, preparing_cursor
from neural.models import Store

PREFIX_BYTES = 5
SECRET_BYTES = 32
LONGEST_OVERLAP = dt.timedelta(days=365)
_LENGTH = len("zn_") + 2 * PREFIX_BYTES + len("_") + 43
_KEY = re.compile(r"zn_([0-9a-f]{10})_([A-Za-z0-9_-]{43})")
_NO_KEY_HAS_THIS_HASH = "0" * 64


class KeyNotRotated(NeuralError):
    """A key could not be replaced; the text says why and what to do."""


@sensitive_variables("secret")
def issue(
    *,
    name: str,
    scopes: Iterable[str],
    stores: Collection[Store] | None,
    expires_at: dt.datetime | None = None,
    rate_per_second: float | None = None,
    created_by: Any = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return its row and its text, which cannot be read again later.

    ``stores`` None makes it valid for every store. ``rate_per_second`` None means the rate of the
    settings. Raises Django's ``ValidationError`` for an unknown scope, no scope or a rate out of
    range.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        name=name,
        prefix=secrets.token_hex(PREFIX_BYTES),
        secret_hash=_hash(secret),
        scopes=sorted(scopes),
        every_store=stores is None,
        expires_at=expires_at,
        rate_per_second=rate_per_second,
        created_by=created_by,
        replaces=replaces,
    )
    key.full_clean(exclude=["replaces", "created_by"])
    with transaction.atomic():
        key.save()
        key.stores.set(stores or [])
    return key, f"zn_{key.prefix}_{secret}"


@sensitive_variables("text")
def rotate(key: ApiKey, *, overlap: dt.timedelta, by: Any = None) -> tuple[ApiKey, str]:
    """Make a key that permits the same as ``key``, which stays valid for ``overlap`` more.

    The new key expires when the old one would have: rotation never permits more. Raises
    :class:`KeyNotRotated` if ``key`` is revoked, expired or replaced already, and ValueError for
    an overlap that is negative or longer than a year.
    """
    if not dt.timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ValueError("the overlap is between 0 and 365 days")
    with transaction.atomic():
        # Locked, so that of two who rotate one key at the same time, the second is refused.
        locked = ApiKey.objects.select_for_update(of=("self",)).valid().filter(pk=key.pk)
        old: Any = locked.with_clock().first()
        if old is None:
            raise KeyNotRotated(f"{key} is revoked or expired: issue a new key instead")
        if newer := old.replaced_by.first():
            raise KeyNotRotated(f"{key} is replaced by {newer} already: rotate that one")
        new, text = issue(
            name=old.name,
            scopes=old.scopes,
            stores=None if old.every_store else list(old.stores.all()),
            expires_at=old.expires_at,
            rate_per_second=old.rate_per_second,
            created_by=by,
            replaces=old,
        )
        ends_at = old.now + overlap
        if old.expires_at is None or ends_at < old.expires_at:
            ApiKey.objects.filter(pk=old.pk).update(expires_at=ends_at)
    return new, text


def revoke(key: ApiKey) -> bool:
    """Revoke a key for good, from the next request on. Returns whether it was not revoked yet."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()))


# Written out, as building it anew for each request would take longer than answering it. What else
# a row has is loaded when it is asked for.
_FIELDS = ("id", "name", "prefix", "secret_hash", "scopes", "every_store", "rate_per_second")
_BY_PREFIX = """
    SELECT id, name, prefix, secret_hash, scopes, every_store, rate_per_second,
        revoked_at IS NULL AND (expires_at IS NULL OR expires_at > {clock}) AS opens
    FROM neural_api_apikey WHERE prefix = %s
"""


@sensitive_variables("text", "parts", "secret")
def find(text: str) -> ApiKey | None:
    """The valid key with this text, or None. One query, by the prefix; none if it is no key."""
    parts = _KEY.fullmatch(text) if len(text) == _LENGTH else None
    if parts is None:
        return None
    prefix, secret = parts.groups()
    key, opens = _row(prefix)
    # Compared without a row, too: the time to the answer does not tell whether a prefix exists.
    expected = _NO_KEY_HAS_THIS_HASH if key is None else key.secret_hash
    is_it = hmac.compare_digest(_hash(secret), expected)
    return key if is_it and opens else None


def _row(prefix: str) -> tuple[ApiKey | None, bool]:
    """The key with this prefix, and whether it is neither revoked nor expired.

    This is a request's first query. Whether the connection still works shows by it: a health check
    before it (``CONN_HEALTH_CHECKS``) would cost each request a round trip more.
    """
    connection: Any = ledger_connection()
    may_be_broken = connection.connection is not None and not connection.in_atomic_block
    if may_be_broken:
        connection.health_check_done = True
    try:
        return _read(prefix)
    except (OperationalError, InterfaceError):
        if not may_be_broken or not connection.autocommit:
            raise  # a transaction ends with its connection
        connection.close()
        return _read(prefix)


def _read(prefix: str) -> tuple[ApiKey | None, bool]:
    with preparing_cursor() as cursor:
        cursor.execute(_BY_PREFIX.format(clock=ledger_dialect().clock), [prefix])
        row = cursor.fetchone()
    if row is None:
        return None, False
    *values, opens = row
    key = ApiKey.from_db(ledger_connection().alias, _FIELDS, values)
    key.scopes, key.every_store = json.loads(key.scopes), bool(key.every_store)
    return key, bool(opens)


@sensitive_variables("secret")
def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
