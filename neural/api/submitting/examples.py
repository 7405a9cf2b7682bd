"""Bodies and answers of the endpoints that submit events, for OpenAPI.

django-ninja cannot derive them: these endpoints read their bodies themselves.
"""

import json
from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from neural.api.openapi import answers

JsonObject = dict[str, Any]

PAYLOAD: JsonObject = {
    "order_id": "20260301-0042",
    "currency": "CNY",
    "lines": [{"dish": "牛肉面", "quantity": 2, "price": "28.00"}],
}
SENT: JsonObject = {"type": "order.created", "store": "SH001", "source": "till-3"}
PLAIN: JsonObject = {
    **SENT,
    "event_id": "20260301-0042-1",
    "occurred_at": "2026-03-01T12:30:00+08:00",
    "payload": PAYLOAD,
}
CLOUDEVENT: JsonObject = {
    "specversion": "1.0",
    **SENT,
    "id": PLAIN["event_id"],
    "time": PLAIN["occurred_at"],
    "datacontenttype": "application/json",
    "data": PAYLOAD,
}
LINES = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in (PLAIN, CLOUDEVENT))
ANSWERED_LINES = """\
{"line":1,"status":202,"verdict":"new","id":17}
{"line":2,"status":422,"verdict":"refused","errors":[{"field":"payload.total","reason":"…"}]}
{"summary":{"new":1,"duplicate":0,"refused":1}}
"""


class _Submitted(Schema):
    """What both shapes of an event have."""

    type: str = Field(min_length=1, max_length=100)
    store: str = Field(min_length=1, max_length=64, description="The store's code.")
    source: str = Field(min_length=1, max_length=100, description="What sends it, like a till.")
    priority: int | None = Field(
        None, ge=1, le=10, description="10 is most urgent; replaces that of the type."
    )
    queue: str | None = Field(None, description="Replaces the queue of the type.")
    backfill: bool = Field(False, description="History: its runs go to low_priority.")
    traceparent: str | None = Field(None, description="The trace context of W3C.")
    tracestate: str | None = None


class Event(_Submitted):
    """An event in our plain shape."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PLAIN]})

    payload: JsonObject = Field(description="As the type's schema says.")
    event_id: str | None = Field(
        None,
        max_length=200,
        description="Known once within its store and source. Required here, as idempotency_key, or "
        "as the header Idempotency-Key.",
    )
    idempotency_key: str | None = Field(None, description="The event_id under another name.")
    occurred_at: str | None = Field(
        None, description="ISO 8601; without a zone, the store's own time. Now, if left out."
    )


class CloudEvent(_Submitted):
    """A CloudEvent 1.0, whose extension attribute `store` names the store."""

    model_config = ConfigDict(json_schema_extra={"examples": [CLOUDEVENT]})

    specversion: Literal["1.0"]
    id: str = Field(min_length=1)
    time: str | None = Field(None, json_schema_extra={"format": "date-time"})
    datacontenttype: str | None = Field(None, description="A media type of JSON.")
    data: JsonObject | None = Field(None, description="The payload.")
    data_base64: str | None = Field(None, description="The payload, as JSON in base64.")


class Accepted(Schema):
    """An event that is recorded."""

    id: int = Field(examples=[17])
    verdict: Literal["new", "duplicate"]
    store: str = Field(examples=[SENT["store"]])
    source: str = Field(examples=[SENT["source"]])
    event_id: str = Field(examples=[PLAIN["event_id"]])
    type: str = Field(examples=[SENT["type"]])
    url: str = Field(examples=["/api/v1/events/17"])


def _header(name: str, description: str) -> JsonObject:
    text = {"type": "string"}
    where = {"name": name, "in": "header", "required": False}
    return {**where, "description": description, "schema": text}


def _accepted(description: str) -> JsonObject:
    return {
        "description": description,
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": ACCEPTED}},
    }


EVENT, CLOUD, ACCEPTED = (each.model_json_schema() for each in (Event, CloudEvent, Accepted))
TEXT = {"type": "string", "description": "An event a line.", "examples": [LINES]}
TRACE = _header("traceparent", "The trace context of W3C; kept with the runs.")
PROBLEMS = answers(408, 413, 415)["responses"]

ONE: JsonObject = {
    "parameters": [
        _header("Idempotency-Key", "The event_id of an event that names none."),
        TRACE,
    ],
    "requestBody": {
        "required": True,
        "description": "In binary mode, a CloudEvent's attributes are headers (ce-id, ce-type, "
        "ce-source, ce-store, ce-specversion …) and the body is its data.",
        "content": {
            "application/json": {"schema": {"anyOf": [EVENT, CLOUD]}},
            "application/cloudevents+json": {"schema": CLOUD},
        },
    },
    "responses": {
        "200": _accepted("The same event was recorded before; nothing has changed."),
        "202": _accepted("The event is recorded and will be processed."),
        **answers(409)["responses"],
        **PROBLEMS,
    },
}
MANY: JsonObject = {
    "parameters": [TRACE],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"anyOf": [EVENT, CLOUD]}}},
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": CLOUD}},
            "application/x-ndjson": {"schema": TEXT},
            "application/jsonl": {"schema": TEXT},
        },
    },
    "responses": {
        "200": {
            "description": "An answer for each event, in order: its line (or its index in a list), "
            "the status that it would have alone, and its id or its errors. Then a summary, or a "
            "problem that says why the events after these were not read.",
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string", "examples": [ANSWERED_LINES]},
                }
            },
        },
        **PROBLEMS,
    },
}
