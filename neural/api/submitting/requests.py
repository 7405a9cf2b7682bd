"""Reads one submitted event, in our plain shape or as a CloudEvent, as arguments of ``submit``.

A CloudEvent (https://github.com/cloudevents/spec, 1.0) is read like this:

==================  ==================================================================
``id``              ``event_id``
``source``          ``source``
``type``            ``type``
``store``           ``store``: an extension attribute of ours, required. ``subject`` is
                    not taken for it: it may name anything, and each unknown store
                    that an event names becomes a store.
``time``            ``occurred_at``
``data``            ``payload``; also ``data_base64``, if it contains JSON
``priority``,       the arguments of these names: extension attributes, too
``queue``,
``backfill``
``traceparent``,    ``traceparent`` and ``tracestate``: the extension for distributed
``tracestate``      tracing
==================  ==================================================================

Other attributes are not kept.

Events of a store that the caller may not use are refused here: they are not stored as refused
events, for those belong to the store that they name.
"""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest

from neural.api.access import Caller
from neural.api.problems import ApiProblem
from neural.events.answers import PlannedRun, Problem, Submission, Verdict
from neural.events.redaction import as_text, kept_of_unread
from neural.events.refusals import MOST_PROBLEMS, REASON_CHARACTERS, Refusal, refusal_of
from neural.events.submit import submit_many
from neural.kit import bodies
from neural.kit.conf import conf as ledger_conf
from neural.kit.stored_json import depth_problem
from neural.models import EntryPoint

SPEC_VERSION = "1.0"
IDEMPOTENCY_KEY = "idempotency_key"
SUPERSEDED = "superseded"
"""The verdict of a dry run on a new event that is older than what is known."""
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
_ATTRIBUTES = {"id": "event_id", "time": "occurred_at"}
_SAME = ("type", "store", "source", "priority", "queue", "backfill", "traceparent", "tracestate")
_JSON = re.compile(r"(application|text)/([a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class NotReadable(ValueError):
    """A text is no JSON, or JSON that may be read in more than one way; the message says why."""


def check_media_type(request: HttpRequest, accepted: tuple[str, ...]) -> str:
    """The media type of the body, in lower case; :class:`ApiProblem` 415 unless it is accepted and
    its characters are UTF-8 and not compressed."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ApiProblem(
            415,
            f"Content-Encoding {encoding!r} is not accepted; send the body as it is",
            headers={"Accept-Encoding": "identity"},
        )
    media_type = (request.content_type or "").lower()
    if media_type not in accepted:
        given = f"{media_type!r} is not" if media_type else "no Content-Type is"
        raise ApiProblem(
            415,
            f"{given} accepted here; send one of: {', '.join(accepted)}",
            headers={"Accept": ", ".join(accepted)},
        )
    charset = (request.content_params or {}).get("charset", "utf-8").strip("\"'").lower()
    if charset not in _UTF8:
        raise ApiProblem(415, f"the charset {charset!r} is not accepted; send UTF-8")
    return media_type


class Body(bodies.Body):
    """The body of a request to the API."""

    refused = ApiProblem


def read_json(raw: bytes) -> Any:
    """The value of JSON text in UTF-8, with or without a byte order mark.

    Raises :class:`NotReadable` for what is no JSON (NaN and infinities are none), and for an object
    with the same name twice: readers differ on which of them counts.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(f"is not UTF-8: {error.reason} at byte {error.start + 1}") from error
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_readable(error) from error


def not_readable(error: Exception) -> NotReadable:
    """The reason why :data:`DECODER` could not read a text."""
    if isinstance(error, NotReadable):
        return error
    if isinstance(error, json.JSONDecodeError):
        return NotReadable(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    if isinstance(error, RecursionError):
        return NotReadable(depth_problem(None, ledger_conf().max_json_depth))
    return NotReadable(f"is not JSON that can be read: {error}")  # a number of 5,000 digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise NotReadable(f"has an object with the name {twice[:100]!r} twice")
    return read


def _constant(name: str) -> Any:
    raise NotReadable(f"is not JSON: {name} is no number of JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


class InvalidRequest(Exception):
    """What was sent cannot be submitted; ``problems`` names fields and reasons."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def as_arguments(value: Any) -> dict[str, Any]:
    """The arguments of ``submit`` of one JSON value, which may be a CloudEvent or have our plain
    shape. Raises :class:`InvalidRequest`."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(Problem("event", "must be an object"))
    return _of_cloudevent(value) if "specversion" in value else _of_plain(value)


def as_cloudevent(value: Any) -> dict[str, Any]:
    """The arguments of ``submit`` of a value that must be a CloudEvent."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(Problem("event", "must be an object"))
    return _of_cloudevent(value)


def from_headers(request: HttpRequest, data: Any) -> dict[str, Any]:
    """The CloudEvent of a request in binary mode: its attributes are headers ``ce-…``, its data is
    the body. Raises :class:`InvalidRequest`."""
    event: dict[str, Any] = {
        name[3:].lower(): _header_value(name, value)
        for name, value in request.headers.items()
        if name.lower().startswith("ce-")
    }
    if str(event.get("priority", "")).isdecimal():
        event["priority"] = int(event["priority"][:20])
    if event.get("backfill") in ("true", "false"):
        event["backfill"] = event["backfill"] == "true"
    return {**event, "data": data}


def is_binary(request: HttpRequest) -> bool:
    """Whether a request contains a CloudEvent in binary mode."""
    return "ce-specversion" in request.headers or "ce-id" in request.headers


def text_of_header(value: str) -> str:
    """The text of a header: servers give each byte as a character, and clients send UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def unquoted(value: str) -> str:
    """The value without the quotes and escapes of a quoted string, if it is one."""
    quoted = _QUOTED.fullmatch(value.strip())
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value


def with_key(arguments: dict[str, Any], key: str) -> dict[str, Any]:
    """The arguments with the key of the header ``Idempotency-Key``, which is the ``event_id`` of an
    event that has none. Raises :class:`InvalidRequest` if the event has another one."""
    return _identified(arguments, key, "Idempotency-Key") if key else arguments


def with_trace(arguments: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """The arguments with the trace context of the request, unless the event has one of its own."""
    if "traceparent" not in arguments and "traceparent" in request.headers:
        arguments["traceparent"] = request.headers["traceparent"]
        arguments["tracestate"] = request.headers.get("tracestate")
    return arguments


def _of_plain(event: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(event)
    if IDEMPOTENCY_KEY not in arguments:
        return arguments
    return _identified(arguments, arguments.pop(IDEMPOTENCY_KEY), IDEMPOTENCY_KEY)


def _identified(arguments: dict[str, Any], key: Any, named: str) -> dict[str, Any]:
    if not isinstance(key, str) or not key:
        raise InvalidRequest(Problem(named, "must be text that is not empty"))
    if arguments.setdefault("event_id", key) != key:
        reason = "is not the event_id: give one of them, or the same twice"
        raise InvalidRequest(Problem(named, reason))
    return arguments


def _of_cloudevent(event: Mapping[str, Any]) -> dict[str, Any]:
    if event.get("specversion") != SPEC_VERSION:
        raise InvalidRequest(Problem("specversion", f'must be "{SPEC_VERSION}"'))
    arguments = {own: event[name] for name, own in _ATTRIBUTES.items() if name in event}
    arguments |= {name: event[name] for name in _SAME if name in event}
    content_type = event.get("datacontenttype")
    if content_type is not None:
        media_type = content_type.partition(";")[0].strip() if isinstance(content_type, str) else ""
        if not _JSON.fullmatch(media_type):
            raise InvalidRequest(Problem("datacontenttype", "must be a media type of JSON"))
    arguments["payload"] = _data_of(event)
    return arguments


def _data_of(event: Mapping[str, Any]) -> Any:
    if "data_base64" not in event:
        return event.get("data")
    if "data" in event:
        raise InvalidRequest(Problem("data_base64", "cannot be given together with data"))
    try:
        return read_json(base64.b64decode(event["data_base64"], validate=True))
    except (TypeError, ValueError, binascii.Error) as error:
        reason = str(error) if isinstance(error, NotReadable) else "is not base64"
        raise InvalidRequest(Problem("data_base64", reason)) from error


def _header_value(name: str, value: str) -> str:
    """By the HTTP binding: a quoted string is read first, then one round of percent-decoding."""
    try:
        return unquote(text_of_header(unquoted(value)), errors="strict")
    except UnicodeDecodeError as error:
        reason = "is not percent-encoded UTF-8"
        raise InvalidRequest(Problem(name.lower(), reason)) from error


@dataclass(frozen=True)
class Rejected:
    """What could not be read as arguments of ``submit``: why, and the status of the answer."""

    status: int
    refusal: Refusal


Item = Mapping[str, Any] | Rejected
"""Arguments of ``submit``, or what could not be read as these."""


def item_of(
    raw: bytes | str,
    read: Callable[[], Any],
    arguments_of: Callable[[Any], Mapping[str, Any]] = as_arguments,
) -> Item:
    """The item for one event: ``read`` returns its JSON value, ``arguments_of`` turns that into the
    arguments of ``submit``. ``raw`` is kept if it cannot be read."""
    try:
        value = read()
    except NotReadable as error:
        payload = kept_of_unread(as_text(raw.strip()))
        return Rejected(400, Refusal(payload=payload, problems=[Problem("event", str(error))]))
    except InvalidRequest as error:
        return Rejected(422, Refusal(problems=error.problems))
    try:
        return arguments_of(value)
    except InvalidRequest as error:
        return Rejected(422, refusal_of(value, error.problems))


@dataclass(frozen=True)
class Outcome:
    """What became of one event, as a status of HTTP; ``event_pk`` is that of the recorded event,
    also for a duplicate and for a conflict. ``planned`` is what a dry run says."""

    status: int
    verdict: str
    event_pk: int | None = None
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    planned: Sequence[PlannedRun] = ()


def named(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """Problems for an answer, cut if they are very many or long."""
    return [
        {"field": each.field[:REASON_CHARACTERS], "reason": each.reason[:REASON_CHARACTERS]}
        for each in problems[:MOST_PROBLEMS]
    ]


def submit_all(
    items: Sequence[Item],
    caller: Caller,
    *,
    backfill: bool = False,
    strict: bool = False,
    dry_run: bool = False,
) -> list[Outcome]:
    """Submit events and return what became of each, in order. They are committed by then, unless
    the code that calls this has opened a transaction."""
    permitted = [item for item in items if not _is_foreign(item, caller)]
    answers = submit_many(
        [item.refusal if isinstance(item, Rejected) else item for item in permitted],  # type: ignore[misc]
        backfill=backfill,
        requested_by=caller.name,
        entry_point=EntryPoint.HTTP,
        strict=strict,
        dry_run=dry_run,
    )
    # All at once: what reads them lazily would stop at the last event, and refusals of a chunk are
    # recorded after its events.
    submitted = zip(permitted, list(answers), strict=True)
    outcomes = iter([_outcome(item, answer, dry_run) for item, answer in submitted])
    if len(permitted) == len(items):
        return list(outcomes)
    foreign = Outcome(
        403, Verdict.REFUSED, problems=[Problem("store", "is not a store that this key may use")]
    )
    return [foreign if _is_foreign(item, caller) else next(outcomes) for item in items]


def _is_foreign(item: Item, caller: Caller) -> bool:
    # As text: a store that is given as a number is kept as text with the refused event.
    store = item.refusal.store_code if isinstance(item, Rejected) else as_text(item.get("store"))
    return bool(store) and not caller.may_use(store)


def _outcome(item: Item, answer: Submission, dry_run: bool) -> Outcome:
    verdict: str = SUPERSEDED if answer.is_superseded else answer.verdict
    if answer.is_new:
        status = 200 if dry_run else 202
    elif answer.is_duplicate:
        status = 200
    elif answer.event_pk is not None:
        status = 409
    else:
        status = item.status if isinstance(item, Rejected) else 422
    return Outcome(
        status, verdict, answer.event_pk, answer.problems, answer.warnings, answer.planned
    )
