"""Bodies and answers of the endpoints that submit events, for OpenAPI.

django-ninja cannot derive them: these endpoints read their bodies themselves.
"""

import json
from collections.abc import Mapping
from typing import Any

JsonObject = dict[Any, Any]

_PAYLOAD: JsonObject = {
    "order_id": "20260301-0042",
    "currency": "CNY",
    "lines": [{"dish": "牛肉面", "quantity": 2, "price": "28.00"}],
}
_PLAIN: JsonObject = {
    "type": "order.created",
    "store": "SH001",
    "source": "till-3",
    "event_id": "20260301-0042-1",
    "occurred_at": "2026-03-01T12:30:00+08:00",
    "payload": _PAYLOAD,
}
_CLOUDEVENT: JsonObject = {
    "specversion": "1.0",
    "type": "order.created",
    "store": "SH001",
    "source": "till-3",
    "id": "20260301-0042-1",
    "time": "2026-03-01T12:30:00+08:00",
    "datacontenttype": "application/json",
    "data": _PAYLOAD,
}
_TEXT: JsonObject = {"type": "string", "minLength": 1}
_OPTIONAL: JsonObject = {
    "priority": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10,
        "description": "10 is most urgent; replaces that of the type.",
    },
    "queue": {"type": "string", "description": "Replaces the queue of the type."},
    "backfill": {"type": "boolean", "description": "History: its runs go to low_priority."},
    "traceparent": {"type": "string", "description": "The trace context of W3C."},
    "tracestate": {"type": "string"},
}
_EVENT_SCHEMA: JsonObject = {
    "type": "object",
    "title": "Event",
    "required": ["type", "store", "source", "payload"],
    "properties": {
        "type": {**_TEXT, "maxLength": 100},
        "store": {**_TEXT, "maxLength": 64, "description": "The store's code."},
        "source": {**_TEXT, "maxLength": 100, "description": "What sends it, like a till."},
        "event_id": {
            **_TEXT,
            "maxLength": 200,
            "description": "Known once within its store and source. Required here, as "
            "idempotency_key, or as the header Idempotency-Key.",
        },
        "idempotency_key": {**_TEXT, "description": "The event_id under another name."},
        "payload": {"type": "object", "description": "As the type's schema says."},
        "occurred_at": {
            "type": "string",
            "description": "ISO 8601; without a zone, the store's own time. Now, if left out.",
        },
        **_OPTIONAL,
    },
    "additionalProperties": False,
}
_CLOUDEVENT_SCHEMA: JsonObject = {
    "type": "object",
    "title": "CloudEvent",
    "required": ["specversion", "type", "source", "id", "store"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": _TEXT,
        "source": _TEXT,
        "id": _TEXT,
        "store": {**_TEXT, "description": "An extension attribute: the store's code."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string", "description": "A media type of JSON."},
        "data": {"type": "object", "description": "The payload."},
        "data_base64": {"type": "string", "description": "The payload, as JSON in base64."},
        **_OPTIONAL,
    },
}
_PROBLEM_SCHEMA: JsonObject = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_ACCEPTED_SCHEMA: JsonObject = {
    "type": "object",
    "title": "Accepted",
    "required": ["id", "verdict", "store", "source", "event_id", "type", "url"],
    "properties": {
        "id": {"type": "integer"},
        "verdict": {"enum": ["new", "duplicate"]},
        **{name: {"type": "string"} for name in ("store", "source", "event_id", "type", "url")},
    },
}
_ACCEPTED: JsonObject = {
    "id": 17,
    "verdict": "new",
    **{name: _PLAIN[name] for name in ("store", "source", "event_id", "type")},
    "url": "/api/v1/events/17",
}
_EVENT_LINES = "".join(
    json.dumps(each, ensure_ascii=False) + "\n" for each in (_PLAIN, _CLOUDEVENT)
)
_LINES = """\
{"line":1,"status":202,"verdict":"new","id":17}
{"line":2,"status":422,"verdict":"refused","errors":[{"field":"payload.total","reason":"…"}]}
{"summary":{"new":1,"duplicate":0,"refused":1}}
"""


def _content(schema: JsonObject, **examples: Any) -> JsonObject:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"schema": schema, **({"examples": named} if named else {})}


def _problems(reasons: Mapping[int, str]) -> dict[int, JsonObject]:
    return {
        status: {
            "description": reason,
            "content": {"application/problem+json": _content(_PROBLEM_SCHEMA)},
        }
        for status, reason in reasons.items()
    }


def _accepted(description: str, verdict: str) -> JsonObject:
    return {
        "description": description,
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {
            "application/json": _content(_ACCEPTED_SCHEMA, event={**_ACCEPTED, "verdict": verdict})
        },
    }


def _header(name: str, description: str) -> JsonObject:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


_OF_ALL = {
    401: "There is no valid key.",
    403: "The key does not have the scope, or may not use the store.",
    408: "The body took too long.",
    413: "The body is too large.",
    415: "The media type, the charset or the compression is not accepted.",
    429: "The key has sent too much; Retry-After says when to go on.",
    503: "The database is away; Retry-After says when to try again.",
}
_TRACE = _header("traceparent", "The trace context of W3C; kept with the runs.")

ONE: JsonObject = {
    "parameters": [
        _header("Idempotency-Key", "The event_id of an event that names none."),
        _TRACE,
    ],
    "requestBody": {
        "required": True,
        "description": "In binary mode, a CloudEvent's attributes are headers (ce-id, ce-type, "
        "ce-source, ce-store, ce-specversion …) and the body is its data.",
        "content": {
            "application/json": _content(
                {"oneOf": [_EVENT_SCHEMA, _CLOUDEVENT_SCHEMA]}, plain=_PLAIN
            ),
            "application/cloudevents+json": _content(_CLOUDEVENT_SCHEMA, cloudevent=_CLOUDEVENT),
        },
    },
    "responses": {
        200: _accepted("The same event was recorded before; nothing has changed.", "duplicate"),
        202: _accepted("The event is recorded and will be processed.", "new"),
        **_problems(
            {
                400: "The body is no JSON.",
                409: "Another content was recorded for this store, source and event_id; id is that "
                "of the recorded event.",
                422: "The event is not valid; errors names each field.",
                **_OF_ALL,
            }
        ),
    },
}
MANY: JsonObject = {
    "parameters": [_TRACE],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": _content(
                {
                    "type": "array",
                    "items": {"oneOf": [_EVENT_SCHEMA, _CLOUDEVENT_SCHEMA]},
                },
                events=[_PLAIN],
            ),
            "application/cloudevents-batch+json": _content(
                {"type": "array", "items": _CLOUDEVENT_SCHEMA}, cloudevents=[_CLOUDEVENT]
            ),
            **{
                media_type: _content(
                    {"type": "string", "description": "An event a line."}, events=_EVENT_LINES
                )
                for media_type in ("application/x-ndjson", "application/jsonl")
            },
        },
    },
    "responses": {
        200: {
            "description": "An answer for each event, in order: its line (or its index in a list), "
            "the status that it would have alone, and its id or its errors. Then a summary, or a "
            "problem that says why the events after these were not read.",
            "content": {"application/x-ndjson": _content({"type": "string"}, answers=_LINES)},
        },
        **_problems({400: "No event could be read.", 422: "backfill is not a boolean.", **_OF_ALL}),
    },
}
