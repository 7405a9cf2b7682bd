"""Issues, rotates, revokes and checks API keys.

A key is ``zn_<prefix>_<secret>``. The prefix finds the row; the secret is compared by its hash, in
constant time.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from neural.api.models import ApiKey
from neural.models import Store

PREFIX_BYTES = 5
SECRET_BYTES = 32
_KEY = re.compile(r"zn_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
_NO_KEY_HAS_THIS_HASH = "0" * 64


def issue(
    *,
    name: str,
    scopes: Iterable[str],
    stores: Collection[Store] | None,
    expires_at: dt.datetime | None = None,
    created_by: Any = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return its row and its text, which cannot be read again later.

    ``stores`` None makes it valid for every store. Raises Django's ``ValidationError`` for an
    unknown scope.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        name=name,
        prefix=secrets.token_hex(PREFIX_BYTES),
        secret_hash=_hash(secret),
        scopes=sorted(scopes),
        every_store=stores is None,
        expires_at=expires_at,
        created_by=created_by,
        replaces=replaces,
    )
    key.full_clean(exclude=["replaces", "created_by"])
    with transaction.atomic():
        key.save()
        key.stores.set(stores or [])
    return key, f"zn_{key.prefix}_{secret}"


def rotate(key: ApiKey, *, overlap: dt.timedelta, by: Any = None) -> tuple[ApiKey, str]:
    """Make a key that permits the same as ``key``, which stays valid for ``overlap`` more."""
    with transaction.atomic():
        ends_at = timezone.now() + overlap
        unexpired = ApiKey.objects.select_for_update().valid().filter(pk=key.pk)
        if not unexpired.exists():
            raise ValueError(f"{key} is revoked or expired: issue a new key instead")
        stores = None if key.every_store else list(key.stores.all())
        new, text = issue(
            name=key.name,
            scopes=key.scopes,
            stores=stores,
            expires_at=key.expires_at,
            created_by=by,
            replaces=key,
        )
        if key.expires_at is None or ends_at < key.expires_at:
            ApiKey.objects.filter(pk=key.pk).update(expires_at=ends_at)
    return new, text


def revoke(key: ApiKey) -> bool:
    """Revoke a key for good, from the next request on. Returns whether it was not revoked yet."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()))


def find(text: str) -> ApiKey | None:
    """The valid key with this text, or None. One query, by the prefix."""
    parts = _KEY.fullmatch(text)
    if parts is None:
        return None
    prefix, secret = parts.groups()
    key = ApiKey.objects.filter(prefix=prefix).first()
    # Compared without a row, too: the time to the answer does not tell whether a prefix exists.
    expected = _NO_KEY_HAS_THIS_HASH if key is None else key.secret_hash
    is_it = hmac.compare_digest(_hash(secret), expected)
    return key if key is not None and is_it and key.is_valid(timezone.now()) else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
