"""Validates submitted events, and holds a valid event until it is recorded.

The trace context of an event (https://www.w3.org/TR/trace-context/) is kept with its runs.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import Error as DatabaseAway

from neural.events.answers import InvalidEvent, Problem
from neural.events.redaction import error_text, kept_of
from neural.events.registry import handlers_of
from neural.events.types import (
    LARGEST_OFFSET,
    OFFSET_TOO_LARGE,
    EventType,
    EventTypeUnknown,
    byte_limit,
    canonical,
    check_payload,
    content_hash,
    event_type,
)
from neural.kit.conf import conf
from neural.kit.storable import is_storable
from neural.ledger import ports
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.ports import with_trace
from neural.models import Store
from neural.models.store import STORE_CODE_PATTERN
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE, PRIORITIES
from neural.runs.models.new_run import NOTHING

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e\t]{1,512}")
_INVALID_VERSION = "ff"
_STORE_CODE = re.compile(STORE_CODE_PATTERN)
_LENGTHS = {"source": 100, "event_id": 200}
_FIELDS = frozenset(
    (
        *("type", "store", "source", "event_id", "payload", "occurred_at", "priority", "queue"),
        *("backfill", "traceparent", "tracestate"),
    )
)
_EARLIEST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_LONG_AGO = dt.timedelta(days=365)
_IS_LONG_AGO = Problem("occurred_at", "is more than a year ago; is the till's clock right?")
Identity = tuple[str, str, str]
"""Store, source and event id."""


def trace_headers(traceparent: Any, tracestate: Any = None) -> dict[str, str]:
    """The headers for the messages of the runs; empty unless ``traceparent`` is valid.

    An invalid one is ignored, as the recommendation says, and so is ``tracestate`` with it. That of
    a later version is kept in the form of version 00, as far as that knows it.
    """
    parts = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if parts is None:
        return {}
    version, trace, parent, flags, more = parts.groups()
    if version == _INVALID_VERSION or not trace.strip("0") or not parent.strip("0"):
        return {}
    if version == "00" and more is not None:
        return {}
    headers = {"traceparent": f"00-{trace}-{parent}-{flags}"}
    if isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate):
        headers["tracestate"] = tracestate
    return headers


class NewEvent(NamedTuple):
    """A valid event before it is recorded, with the handlers, queue and priority of its runs."""

    type: str
    store: str
    source: str
    event_id: str
    payload: str
    """The caller's payload as JSON text with sorted keys, without a schema's defaults and without
    what its type leaves out."""
    content_hash: str
    occurred_at: dt.datetime
    handlers: tuple[str, ...]
    queue: str
    priority: int
    requested_by: str
    task_id: str | None = None
    """Task id of the first handler's run, if the caller chose one."""
    due_at: dt.datetime | None = None
    """When its runs are due; None means at once."""
    options: Mapping[str, Any] = NOTHING
    """Celery options of its runs (``neural.celeryapp.call``)."""
    parent: str = ""
    """Task id of the run that submitted the event by a Celery call."""
    warnings: tuple[Problem, ...] = ()
    """Fields that its schema does not know, and a time that is long ago."""

    @property
    def identity(self) -> Identity:
        """Store, source and event id."""
        return (self.store, self.source, self.event_id)


class StoreClocks:
    """Time zones of stores, for one chunk of events: each is looked up once, and only if needed."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}

    def localize(self, code: str, moment: dt.datetime) -> dt.datetime:
        """Give a time without a time zone the zone of the store with this code."""
        if moment.tzinfo:
            return moment
        if code not in self._stores:
            unknown = Store(code=code, time_zone=conf().time_zone)
            self._stores[code] = Store.objects.filter(code=code).first() or unknown
        return self._stores[code].localize(moment)


def validate_event(
    request: Mapping[str, Any],
    clocks: StoreClocks,
    *,
    backfill: bool,
    requested_by: str,
    strict: bool | None = False,
) -> NewEvent:
    """Validate the arguments of one :func:`neural.submit`; returns the event to record.

    ``strict`` refuses fields that the schema does not know; None takes a payload as it is, as long
    as it can be handled. Raises :class:`InvalidEvent` for any invalid request, also if it is not a
    mapping or if methods of the caller's classes raise. Only errors that the request did not cause
    are raised as they are: an unavailable database and the time limit.
    """
    try:
        return _validated(request, clocks, backfill, requested_by, strict)
    except (InvalidEvent, DatabaseAway, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        raise InvalidEvent(Problem("event", f"could not be read: {error_text(error)}")) from error


def _validated(
    request: Mapping[str, Any],
    clocks: StoreClocks,
    backfill: bool,
    requested_by: str,
    strict: bool | None,
) -> NewEvent:
    if not isinstance(request, Mapping):
        raise InvalidEvent(Problem("event", "must be an object"))
    # Convert subclasses of str to str, so that their own methods are not called any more.
    request = {
        name: str.__str__(value) if isinstance(value, str) else value
        for name, value in request.items()
    }
    _check_fields(request)
    kind = _known_type(request["type"])
    payload = canonical(kept_of(kind.name, request["payload"]), byte_limit(kind))
    warnings = check_payload(kind, payload, strict=strict)
    if strict and warnings:
        raise InvalidEvent(*warnings)
    backfill = backfill or bool(request.get("backfill"))
    trace = trace_headers(request.get("traceparent"), request.get("tracestate"))
    queue = request.get("queue") or (LOW_PRIORITY_QUEUE if backfill else kind.queue)
    priority = request.get("priority") or (LOW_PRIORITY if backfill else kind.priority)
    occurred_at = _occurred_at(request, clocks)
    if not backfill and dt.datetime.now(dt.UTC) - occurred_at > _LONG_AGO:
        warnings += (_IS_LONG_AGO,)
    options = with_trace(kind.name, {"headers": trace} if trace else {})  # once nothing is refused
    return NewEvent(
        type=kind.name,
        store=request["store"],
        source=request["source"],
        event_id=request["event_id"],
        payload=payload,
        content_hash=content_hash(kind.name, payload),
        occurred_at=occurred_at,
        handlers=tuple(each.name for each in handlers_of(kind.name)),
        queue=queue,
        priority=priority,
        requested_by=requested_by,
        options=options,
        warnings=warnings,
    )


def _check_fields(request: Mapping[str, Any]) -> None:
    problems = [
        Problem(str(name), "is not a field of an event") for name in request if name not in _FIELDS
    ]
    for name in ("type", "store", "source", "event_id"):
        problems += _text_problems(name, request.get(name))
    if not isinstance(request.get("payload"), Mapping):
        problems.append(Problem("payload", "must be an object"))
    priority = request.get("priority")
    if priority is not None and (type(priority) is not int or priority not in PRIORITIES):
        problems.append(Problem("priority", "must be a whole number from 1 to 10 (most urgent)"))
    queue = request.get("queue")
    if queue is not None and not (isinstance(queue, str) and ports.has_queue(queue)):
        problems.append(Problem("queue", "is not the name of a queue"))
    if not isinstance(request.get("backfill"), bool | None):
        problems.append(Problem("backfill", "must be true or false"))
    if problems:
        raise InvalidEvent(*problems)


def _text_problems(name: str, value: Any) -> Sequence[Problem]:
    if not isinstance(value, str) or not value:
        return [Problem(name, "is required and must be text")]
    if "\x00" in value:
        return [Problem(name, "contains the character U+0000, which cannot be kept")]
    if not is_storable(value):
        return [Problem(name, "contains half of a surrogate pair, which is not text")]
    if len(value) > _LENGTHS.get(name, 100):
        return [Problem(name, f"has {len(value)} characters; at most {_LENGTHS.get(name, 100)}")]
    if name == "store" and not _STORE_CODE.fullmatch(value):
        return [Problem(name, "is not a store code: no spaces, no slash, at most 64 characters")]
    return []


def _known_type(name: str) -> EventType:
    try:
        return event_type(name)
    except EventTypeUnknown as unknown:
        raise InvalidEvent(Problem("type", str(unknown))) from unknown


def _occurred_at(request: Mapping[str, Any], clocks: StoreClocks) -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    given = request.get("occurred_at")
    if given is None:
        return now
    try:
        moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
        local = clocks.localize(request["store"], moment)
        offset, moment = local.utcoffset(), local.astimezone(dt.UTC)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        reason = "must be a time in ISO 8601, like 2026-03-01T12:30:00+08:00"
        raise InvalidEvent(Problem("occurred_at", reason)) from error
    if offset is None or abs(offset) > LARGEST_OFFSET:
        raise InvalidEvent(Problem("occurred_at", OFFSET_TOO_LARGE))
    if moment < _EARLIEST:
        reason = f"is before {_EARLIEST.year}; is the till's clock right?"
        raise InvalidEvent(Problem("occurred_at", reason))
    if (moment - now).total_seconds() > conf().max_future_seconds:
        hours = conf().max_future_seconds / 3600
        reason = f"is more than {hours:g} hours ahead; is the till's clock right?"
        raise InvalidEvent(Problem("occurred_at", reason))
    return moment
