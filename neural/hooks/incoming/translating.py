"""Translates a recorded push into the events that it tells, in a run of the ledger.

It may run again at any time: the translated events have the platform's own ids, so what was
recorded before is a duplicate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from neural.events.answers import Submission
from neural.events.submit import submit_many
from neural.hooks.incoming.fetching import FetchFailed, client_of
from neural.hooks.incoming.moving import stores_for
from neural.hooks.incoming.recording import ID_PREFIX, by_webhook
from neural.hooks.models import WebhookSource
from neural.hooks.platforms.base import PLATFORMS, CannotTranslate, Platform, Push, Translated
from neural.kit.errors import PermanentError
from neural.kit.storable import escaped
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Snooze, checkpoint, current_run
from neural.models import EntryPoint, NeuralEvent

HANDLER = "neural.translate_push"
RETRIES = RetryPolicy(max_retries=40, base_seconds=30, cap_seconds=3600, jitter=0.2)
"""Of a translation: 30 seconds, doubling to an hour. The last attempt comes 27 to 34 hours after
the first, so that a platform may be away for a day."""
MOST_WAITS = 100
"""How often one run waits because the platform asks for it, before that counts as a failure."""
LONGEST_WAIT_SECONDS = 3600.0
_BY_KEY = "API key "
"""Begins ``requested_by`` of what came over the HTTP API."""
_SHOWN_REFUSALS = 5
_SHOWN_IDS = 500


class PlatformUnknown(PermanentError):
    """A push is of a platform that no installed app registers."""


class TranslationRefused(PermanentError):
    """Some of a push's events were refused. The others are recorded."""


class AskedToWait(Snooze):
    """The platform limits how often it may be asked."""

    is_first = True

    def __init__(self, failure: FetchFailed, seconds: float, *, waits: int) -> None:
        super().__init__(seconds, checkpoint={"waits": waits})
        self.is_first = waits == 1
        self.why = str(failure)


def translate_push(event: NeuralEvent) -> dict[str, Any]:
    """Record the events of a ``till.pushed`` event; returns how many, and their ids.

    Raises :class:`PlatformUnknown`, CannotTranslate, FetchFailed, and :class:`TranslationRefused`
    after the events that are fine were recorded.
    """
    vendor = str(_payload(event)["vendor"])
    platform = PLATFORMS.find(vendor)
    if platform is None:
        known = ", ".join(PLATFORMS.names()) or "none"
        raise PlatformUnknown(
            f"no installed app registers the platform {vendor!r} (known: {known}): "
            "install the app that does, then retry this run"
        )
    push, source = push_of(event), _source_of(event, platform)
    try:
        details = _details(platform, push, source)
    except Exception:
        # What it says by itself counts already; the run is repeated for the rest.
        _recorded(event, source, platform.translate_alone(push))
        raise
    return _recorded(event, source, platform.translate(push, details))


def push_of(event: NeuralEvent) -> Push:
    """The push that an event keeps."""
    return Push(
        push_id=event.event_id.removeprefix(ID_PREFIX),
        body=_payload(event)["body"],
        occurred_at=event.occurred_at,
        headers=_payload(event).get("headers", {}),
    )


def _payload(event: NeuralEvent) -> Mapping[str, Any]:
    """Never None: the handlers of an event without its payload are not called."""
    payload: Mapping[str, Any] = event.payload or {}
    return payload


def _details(platform: Platform, push: Push, source: WebhookSource | None) -> Any:
    """What the push leaves out. Credentials are those of the source that received it; a push from
    elsewhere has none, and so no details."""
    if source is None:
        return None
    try:
        return platform.fetch(push, source.credentials, client_of(source.name))
    except FetchFailed as failure:
        raise wait_or(failure) from failure


def _source_of(event: NeuralEvent, platform: Platform) -> WebhookSource | None:
    """The source that received a push; None for one that came another way.

    A key of the API may write events under any source's name. It would read with that source's
    credentials what belongs to other stores.
    """
    run = current_run()
    by_key = run is not None and run.requested_by.startswith(_BY_KEY)
    if by_key or not event.event_id.startswith(ID_PREFIX):
        return None
    return WebhookSource.objects.filter(name=event.source, platform=platform.name).first()


def wait_or(failure: FetchFailed) -> Exception:
    """The failure, or the wait for which the platform asked the run being executed."""
    waits = 1 + int((checkpoint() or {}).get("waits", 0))
    if failure.retry_after is None or waits > MOST_WAITS:
        return failure
    return AskedToWait(failure, min(failure.retry_after, LONGEST_WAIT_SECONDS), waits=waits)


def checked(each: Any) -> Translated:
    """What a platform's class translated; raises CannotTranslate if it is something else."""
    if not isinstance(each, Translated):
        raise CannotTranslate(
            f"its platform's class returned {type(each).__name__} instead of Translated: mend "
            "translate() of that class, then retry this run"
        )
    return each


def _recorded(
    event: NeuralEvent, source: WebhookSource | None, given: Sequence[Translated]
) -> dict[str, Any]:
    translated = [checked(each) for each in given]
    stores = stores_for(source, translated, of_push=event.store_id)
    requests = [
        {
            "type": each.type,
            "store": store,
            "source": event.source,
            "event_id": each.event_id,
            "payload": each.payload,
            "occurred_at": each.occurred_at,
        }
        for store, each in zip(stores, translated, strict=True)
    ]
    by = by_webhook(source.name) if source else f"push {event.source}"
    way = EntryPoint.WEBHOOK
    answers = list(submit_many(requests, requested_by=by, entry_point=way, strict=None))
    refused = [pair for pair in zip(translated, answers, strict=True) if pair[1].is_refused]
    if refused:
        raise TranslationRefused(_refusals(refused, len(answers)))
    ids = [f"{each.type} {each.event_id}" for each in translated]
    return {
        "events": ids[:_SHOWN_IDS],
        "new": sum(answer.is_new for answer in answers),
        "before": sum(answer.is_duplicate for answer in answers),
    }


def _refusals(refused: Sequence[tuple[Translated, Submission]], count: int) -> str:
    refusals = [
        f"{escaped(str(each.type), 50)} {escaped(str(each.event_id), 60)!r}: "
        + "; ".join(map(str, answer.problems[:3]))
        for each, answer in refused[:_SHOWN_REFUSALS]
    ]
    more = f" and {len(refused) - len(refusals)} more" if len(refused) > len(refusals) else ""
    return f"{len(refused)} of {count} events refused: {' | '.join(refusals)}{more}"
