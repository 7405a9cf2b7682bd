"""Records a push as a ``till.pushed`` event of its store.

A push is known by its id. The same push again changes nothing; another content under the same id
is recorded beside the first one, under an id that ends with a hash of the content.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone

from neural.events.answers import Problem, Submission
from neural.events.redaction import error_text
from neural.events.submit import submit
from neural.hooks.models import StoreCode, WebhookSource
from neural.hooks.platforms.base import Push
from neural.kit.storable import escaped

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


PUSHED = "till.pushed"


def store_of(source: WebhookSource, push: Push, at: Any = None) -> str | None:
    """The store to which the platform's code in a push belonged when it happened (``at``, else when
    the push says), else the source's own store, or None."""
    if code := escaped(str(push.store_code), 100):
        found = StoreCode.objects.select_related("store").filter(source=source, code=code).first()
        if found is not None:
            return found.store_at(aware(at or push.occurred_at) or timezone.now())
    return source.store_id


def aware(moment: Any) -> dt.datetime | None:
    """A time that the database can keep: one without a time zone is not."""
    with suppress(OverflowError):
        is_known = isinstance(moment, dt.datetime) and moment.utcoffset() is not None
        return moment.astimezone(dt.UTC) if is_known else None
    return None


def by_webhook(source: str) -> str:
    """``requested_by`` of what came as a push, and of what it tells."""
    return f"webhook {source}"


def record(source: WebhookSource, push: Push, *, store: str) -> Submission:
    """Submit a push as an event of a store; returns the answer.

    A push that is refused gets no row of refused events, which hold only the beginning of a
    payload: the caller keeps it raw. Raises OperationalError or InterfaceError if the database is
    away.
    """
    event_id = event_id_of(push.push_id)
    occurred_at = push.occurred_at
    answer = _submit(source, push, store, event_id, occurred_at)
    if answer.is_refused and {each.field for each in answer.problems} == {"occurred_at"}:
        # A wrong clock does no harm here: the translated events state times of their own.
        occurred_at = None
        answer = _submit(source, push, store, event_id, occurred_at)
    if answer.is_refused and answer.event is not None:  # another content with this id
        changed = with_hash(event_id, _payload(source, push))
        answer = _submit(source, push, store, changed, occurred_at)
    return answer


def _submit(
    source: WebhookSource,
    push: Push,
    store: str,
    event_id: str,
    occurred_at: dt.datetime | str | None,
) -> Submission:
    try:
        with transaction.atomic():
            return submit(
                type=PUSHED,
                store=store,
                source=source.name,
                event_id=event_id,
                payload=_payload(source, push),
                occurred_at=occurred_at,
                requested_by=by_webhook(source.name),
                entry_point="",
            )
    except OperationalError:
        raise
    except DatabaseError as error:  # a value that this database does not take
        return Submission.refused([Problem("payload", error_text(error))])


def _payload(source: WebhookSource, push: Push) -> Mapping[str, Any]:
    headers = {str(name): str(value) for name, value in push.headers.items()}
    return {"vendor": source.platform, "body": push.body, "headers": headers}
