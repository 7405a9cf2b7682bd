"""The ids under which pushes are kept."""

import hashlib
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

ID_PREFIX = "push:"
"""Begins the event ids of pushes. The translated events have the platform's own ids, and many a
platform gives a push and what it tells of the same id."""
LONGEST_ID = 200
_HASH_CHARACTERS = 32


def event_id_of(push_id: str) -> str:
    """The id of the event that keeps a push."""
    return bounded_id(ID_PREFIX + str(push_id))


def bounded_id(identity: str) -> str:
    """An id of at most 200 characters; a longer one ends with its hash."""
    return identity if len(identity) <= LONGEST_ID else with_hash(identity, identity)


def with_hash(identity: str, content: Any) -> str:
    """An id for another content than the one that is known under ``identity``."""
    text = json.dumps(content, sort_keys=True, cls=DjangoJSONEncoder)
    return f"{identity[: LONGEST_ID - _HASH_CHARACTERS - 1]}:{hash_of(text.encode())}"


def hash_of(content: bytes) -> str:
    """128 bits, in hex."""
    return hashlib.blake2b(content, digest_size=_HASH_CHARACTERS // 2).hexdigest()
