"""Receives a push: whether it is the platform's own, what it says, and how it is kept.

A genuine push is answered as received once it has been committed, whatever else is wrong with it.
Nothing here reads a body before its signature was found right.
"""

import datetime as dt
import json
import logging
import traceback
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

from neural.events.redaction import error_text
from neural.hooks.conf import conf
from neural.hooks.incoming import routing
from neural.hooks.incoming.recording import record, store_of
from neural.hooks.incoming.routing import keep_raw
from neural.hooks.models import PushState, UnroutedPush, WebhookSource
from neural.hooks.platforms.base import (
    PLATFORMS,
    Answer,
    Platform,
    Push,
    PushUnreadable,
    Received,
    SignatureRefused,
)
from neural.kit.encrypted import SecretUnreadable
from neural.kit.errors import NeuralError
from neural.kit.storable import escaped

logger = logging.getLogger(__name__)

MOST_UNCHECKED = 1_000
"""How many pushes of a source may wait while its signatures cannot be checked."""


class SourceNotReady(NeuralError):
    """A source cannot check signatures: its platform or a credential is missing."""


def receive(source: WebhookSource, request: Received, *, now: dt.datetime) -> Answer:
    """Keep what a request pushed to a source; returns the answer for the platform.

    Raises :class:`SourceNotReady`, a database error, and what ``verify`` of the platform's class
    raises besides SignatureRefused: in these cases nothing was kept. If the platform never sends
    again, they are kept unchecked, and not raised.
    """
    try:
        platform = ready_platform(source)
        tolerance = conf().hook_tolerance_seconds
        platform.verify(request, source.credentials, now=now, tolerance=tolerance)
    except SignatureRefused as refused:
        reason = escaped(str(refused), 200)
        logger.warning("event=push_refused source=%s reason=%r", source.name, reason)
        return _answer(source, platform.refusal, request, fallback=Answer(status=401))
    except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
        platform = _sends_once(source, error)
        outcome = _keep_unchecked(source, request, error)
    else:
        outcome = _keep(source, platform, request)
    logger.info("event=push_received source=%s outcome=%s", source.name, outcome)
    return _answer(source, platform.answer, request, fallback=Answer())


def _sends_once(source: WebhookSource, error: Exception) -> Platform:
    """The platform of a source, if a push that is not kept now would be lost; else the error. What
    nobody could check is kept within bounds, because anybody may have sent it."""
    platform = PLATFORMS.find(source.platform)
    waiting = UnroutedPush.objects.filter(source=source, state=PushState.WAITING)
    if platform is None or not platform.sends_once or waiting.count() >= MOST_UNCHECKED:
        raise error
    return platform


def _keep_unchecked(source: WebhookSource, request: Received, error: Exception) -> str:
    """Keep a request whose signature is checked when it is routed; returns how, for the log."""
    is_known = isinstance(error, SourceNotReady | SecretUnreadable)
    if not is_known:
        log_failure(source, "verify", error)
    why = str(error) if is_known else type(error).__name__
    keep_raw(source, request, reason=f"its signature was not checked: {why}", is_checked=False)
    return "unchecked"


def ready_platform(source: WebhookSource) -> Platform:
    """The class of a source's platform, or :class:`SourceNotReady`. An empty secret is never used,
    because anybody can sign with it."""
    platform = PLATFORMS.find(source.platform)
    if platform is None:
        raise SourceNotReady(f"no installed app registers the platform {source.platform!r}")
    missing = missing_credentials(source, platform)
    if missing:
        raise SourceNotReady(f"credentials are missing: {', '.join(missing)}")
    return platform


def missing_credentials(source: WebhookSource, platform: Platform) -> list[str]:
    """The names of required credentials that a source does not have."""
    required = [each.name for each in platform.credentials if each.required]
    return [name for name in required if not source.credentials.get(name)]


def _keep(source: WebhookSource, platform: Platform, request: Received) -> str:
    """Keep a genuine request; returns how, for the log."""
    try:
        push = platform.read(request)
        if push is None:
            return "nothing"
        return _keep_push(source, push, request)
    except (OperationalError, InterfaceError):
        raise
    except PushUnreadable as unreadable:
        reason = f"it could not be read: {unreadable}"
    except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
        log_failure(source, "read", error)
        reason = f"it could not be read: {error_text(error)}"
    keep_raw(source, request, reason=reason)
    return "raw"


def _keep_push(source: WebhookSource, push: Push, request: Received) -> str:
    store = store_of(source, push)
    if store is None:
        keep_raw(source, request, push=push, reason=routing.no_store(push))
        current = WebhookSource.objects.filter(pk=source.pk).first()
        if current is not None and store_of(current, push) is not None:
            # A person entered its code or its store meanwhile, and did not see this row.
            routing.request_routing(source)
        return "raw"
    answer = record(source, push, store=store)
    if answer.is_refused:
        keep_raw(source, request, push=push, reason=routing.refused(answer))
        return "raw"
    return "event" if answer.is_new else "before"


def _answer(
    source: WebhookSource,
    method: Callable[[Received], Answer],
    request: Received,
    *,
    fallback: Answer,
) -> Answer:
    """The platform's own answer; ``fallback`` if its class raises or answers what is no JSON."""
    try:
        answer = method(request)
        json.dumps(answer.body, allow_nan=False, ensure_ascii=False).encode()
    except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
        log_failure(source, method.__name__, error)
        return fallback
    return answer


def log_failure(source: WebhookSource, step: str, error: BaseException) -> None:
    """Log that a platform's class raised, and where; not its message, which may hold a credential
    or what was pushed."""
    logger.error(
        "event=platform_failed source=%s platform=%s step=%s error=%s at=%s",
        source.name,
        source.platform,
        step,
        type(error).__name__,
        place_of(error),
    )


def place_of(error: BaseException) -> str:
    """The file and line that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "-"
