"""Endpoints that submit events: one, or many."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext_lazy
from ninja import Query, Router

from neural.api.access import KeyWith
from neural.api.conf import conf
from neural.api.models import Scope
from neural.api.problems import ApiProblem
from neural.api.submitting import batch, examples
from neural.api.submitting.requests import (
    Body,
    Outcome,
    as_arguments,
    as_cloudevent,
    check_media_type,
    from_headers,
    is_binary,
    item_of,
    named,
    read_json,
    submit_all,
    text_of_header,
    unquoted,
    with_key,
    with_trace,
)
from neural.events.ndjson import line_limit

_: Any = gettext_lazy  # django-ninja's annotations know no lazy text
router = Router(tags=["Events"])

JSON = "application/json"
CLOUDEVENT = "application/cloudevents+json"
Strict = Annotated[
    bool, Query(description="Refuse fields that the schema of the event's type does not know.")
]
DryRun = Annotated[
    bool, Query(description="Write nothing, and answer what would happen with each handler.")
]


@router.post(
    "/events",
    auth=KeyWith(Scope.EVENTS_WRITE),
    url_name="submit_event",
    summary=_("Submit an event"),
    openapi_extra=examples.ONE,
)
def submit_event(
    request: HttpRequest, strict: Strict = False, dry_run: DryRun = False
) -> HttpResponse:
    """Records one event with its runs and answers after the commit.

    The body is an event in our plain shape, or a CloudEvent 1.0 in structured or binary mode. An
    event is known by its store, source and event_id. Sent again with the same content it is a
    duplicate (200), with another content a conflict (409). What may be wrong with an event that is
    not refused is named in `warnings`.
    """
    event, outcome = _submitted(request, strict=strict, dry_run=dry_run)
    if outcome.status == 409:
        raise ApiProblem(409, _reason(outcome), errors=outcome.problems, id=outcome.event_pk)
    if outcome.status == 403:
        raise ApiProblem(403, "the key may not use this store", errors=outcome.problems)
    if outcome.problems:
        raise ApiProblem(outcome.status, "the event is refused", errors=outcome.problems)
    names = ("store", "source", "event_id", "type")
    body: dict[str, Any] = {
        "verdict": outcome.verdict,
        **{name: event[name] for name in names},
        "warnings": named(outcome.warnings),
    }
    headers = {}
    if outcome.event_pk is not None:
        url = f"{request.path.rstrip('/')}/{outcome.event_pk}"
        body |= {"id": outcome.event_pk, "url": url}
        headers["Location"] = url
    if dry_run:
        body |= {"dry_run": True, "handlers": [asdict(each) for each in outcome.planned]}
    return HttpResponse(json.dumps(body), status=outcome.status, content_type=JSON, headers=headers)


@router.post(
    "/events/batch",
    auth=KeyWith(Scope.EVENTS_WRITE),
    url_name="submit_events",
    summary=_("Submit many events"),
    openapi_extra=examples.MANY,
)
def submit_events(
    request: HttpRequest,
    backfill: Annotated[bool, Query(description="History: the runs go to low_priority.")] = False,
    strict: Strict = False,
    dry_run: DryRun = False,
) -> StreamingHttpResponse:
    """Records many events and answers each with a line of JSON, in order.

    The body is a JSON list, a CloudEvents batch or NDJSON, in which each event has our plain shape
    or is a CloudEvent. Refused events do not keep others from being recorded. A line is sent once
    its event is committed. The last line is a summary, or a problem if not all events were read:
    then send those again that have no line.
    """
    return batch.answer(request, backfill=backfill, strict=strict, dry_run=dry_run)


def _reason(outcome: Outcome) -> str:
    return outcome.problems[0].reason if outcome.problems else ""


def _submitted(request: HttpRequest, **options: bool) -> tuple[Any, Outcome]:
    media_type = check_media_type(request, (JSON, CLOUDEVENT))
    key = _idempotency_key(request)
    raw = Body(request, line_limit(), conf().api_body_seconds).read_all()
    if not raw.strip():
        raise ApiProblem(400, "the body is empty; send one event as JSON")

    def read() -> Any:
        value = read_json(raw)
        return from_headers(request, value) if binary else value

    def arguments_of(value: Any) -> Mapping[str, Any]:
        arguments = as_cloudevent(value) if is_cloudevent else as_arguments(value)
        return with_trace(with_key(arguments, key), request)

    binary = media_type == JSON and is_binary(request)
    is_cloudevent = binary or media_type == CLOUDEVENT
    item = item_of(raw, read, arguments_of)
    (outcome,) = submit_all([item], request.auth, **options)  # type: ignore[attr-defined]
    return item, outcome


def _idempotency_key(request: HttpRequest) -> str:
    given = request.headers.get("Idempotency-Key")
    return text_of_header(unquoted(given)) if given else ""
