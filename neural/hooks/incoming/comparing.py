"""What a platform lists, compared with what is here.

An event is here if its id is known, or if the newest event about the same thing says the same:
platforms that number no states are translated under ids of their pushes. What is missing is
recorded as a push, whose run translates it; what cannot be translated waits there for a person.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from neural.hooks.incoming.fetching import FetchFailed
from neural.hooks.incoming.moving import events_about, stores_for
from neural.hooks.incoming.recording import aware, record, store_of
from neural.hooks.incoming.routing import keep_raw, no_store, refused
from neural.hooks.incoming.translating import checked
from neural.hooks.models import WebhookSource
from neural.hooks.platforms.base import Client, Listed, Platform, Push, Received, Translated
from neural.models import NeuralEvent

_NOT_GIVEN = range(300, 500)
_TOO_MANY = 429


@dataclass(frozen=True)
class Judged:
    """Something listed: the store of what it tells, its events (None if it cannot be translated),
    and whether they are all here."""

    push: Push
    store: str | None
    events: Sequence[Translated] | None
    is_here: bool


def judged(
    source: WebhookSource, platform: Platform, listed: Sequence[Listed], client: Client
) -> list[Judged]:
    """Compare what was listed with what is here. Raises FetchFailed if the platform's server is
    away while details are fetched."""
    return [_judged(source, each.push, _events(source, platform, each, client)) for each in listed]


def _judged(source: WebhookSource, push: Push, events: Sequence[Translated] | None) -> Judged:
    at = min(filter(None, (aware(each.occurred_at) for each in events or ())), default=None)
    store = store_of(source, push, at)
    if store is None or not events:
        return Judged(push, store, events, store is not None and events is not None)
    stores = stores_for(source, events, of_push=store)
    rows = NeuralEvent.objects.filter(source=source.name)
    ids = [each.event_id for each in events]
    known = {*rows.filter(event_id__in=ids).values_list("store", "event_id")}
    here = (
        (place, each.event_id) in known or _is_newest_state(rows.filter(store=place), each)
        for place, each in zip(stores, events, strict=True)
    )
    return Judged(push, stores[0], events, all(here))


def _events(
    source: WebhookSource, platform: Platform, listed: Listed, client: Client
) -> Sequence[Translated] | None:
    try:
        details = listed.details
        if details is None:
            details = platform.fetch(listed.push, source.credentials, client)
        return [checked(each) for each in platform.translate(listed.push, details)]
    except FetchFailed as failure:
        if failure.status in _NOT_GIVEN and failure.status != _TOO_MANY:
            return None
        raise
    except Exception:  # noqa: BLE001 (the run of its push fails in the same way, and says how)
        return None


def _is_newest_state(rows: QuerySet[NeuralEvent], event: Translated) -> bool:
    """Whether the newest of these events of its type about the same thing has its content."""
    about = events_about(rows.filter(type=event.type), event.event_id.partition(":")[0])
    return bool(about) and max(about, key=lambda each: each.version).payload == event.payload


def record_missing(source: WebhookSource, judged: Sequence[Judged]) -> dict[str, int]:
    """Record as pushes what is not here; returns counts of what was found."""
    counts = dict.fromkeys(("found", "here", "submitted", "untranslated"), 0)
    for each in judged:
        counts["found"] += 1
        counts["here" if each.is_here else _recorded(source, each)] += 1
    return counts


def _recorded(source: WebhookSource, each: Judged) -> str:
    """Record one; returns what became of it."""
    reason = no_store(each.push)
    if each.store is not None:
        answer = record(source, each.push, store=each.store)
        if not answer.is_refused:
            # One that was recorded before still waits for its run, or for a person.
            return "untranslated" if each.events is None or answer.is_duplicate else "submitted"
        reason = refused(answer)
    body = json.dumps(each.push.body, ensure_ascii=False).encode()
    request = Received(
        method="POST", url=f"/hooks/{source.name}", headers=each.push.headers, body=body
    )
    keep_raw(source, request, push=each.push, reason=reason)
    return "untranslated"
