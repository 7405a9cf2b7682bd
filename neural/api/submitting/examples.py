"""Bodies and answers of the endpoints that submit events, for OpenAPI.

django-ninja cannot derive them: these endpoints read their bodies themselves. The schemas are
components with names, and each registered event type has one of its own, so that generated clients
have typed payloads and each model once.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal

from ninja import Schema
from ninja.openapi.schema import REF_TEMPLATE
from pydantic import ConfigDict, Field
from pydantic.json_schema import models_json_schema

from neural.api.openapi import answers
from neural.events.types import event_types, fingerprint

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


class FieldProblem(Schema):
    """What is wrong with a field, or may be."""

    field: str = Field(examples=["payload.totl"])
    reason: str = Field(examples=["is not a field of the schema; did you mean total?"])


class _Answered(Schema):
    store: str = Field(examples=[SENT["store"]])
    source: str = Field(examples=[SENT["source"]])
    event_id: str = Field(examples=[PLAIN["event_id"]])
    type: str = Field(examples=[SENT["type"]])
    warnings: list[FieldProblem] = Field(
        description="Fields that the schema of the type does not know, and a store that no person "
        "has confirmed."
    )


class Accepted(_Answered):
    """An event that is recorded."""

    id: int = Field(examples=[17])
    verdict: Literal["new", "duplicate"]
    url: str = Field(examples=["/api/v1/events/17"])


class PlannedRun(Schema):
    """A run that an event would have."""

    handler: str = Field(examples=["neural.record_order"])
    queue: str = Field(examples=["high_priority"])
    priority: int = Field(examples=[10])
    superseded: bool = Field(
        examples=[False],
        description="A newer statement of the same is known, and stays.",
    )


class DryRun(_Answered):
    """What would happen with an event."""

    dry_run: Literal[True]
    verdict: Literal["new", "duplicate", "superseded"]
    handlers: list[PlannedRun]
    id: int | None = Field(None, examples=[17], description="Of the event that was recorded.")
    url: str | None = Field(None, examples=["/api/v1/events/17"])


def components() -> dict[str, JsonObject]:
    """The schemas of what is sent and answered by their names, with one for each event type."""
    kinds = {kind.name: kind for kind in event_types() if fingerprint(kind)}
    models = [
        Event,
        CloudEvent,
        Accepted,
        DryRun,
        FieldProblem,
        *(kind.schema for kind in kinds.values()),
    ]
    asked = [(model, "validation") for model in dict.fromkeys(models)]
    names, written = models_json_schema(asked, ref_template=REF_TEMPLATE)  # type: ignore[arg-type]
    found: dict[str, JsonObject] = written["$defs"]
    payloads = {name: names[kind.schema, "validation"] for name, kind in kinds.items()}
    if payloads:
        events = {name: _component(_class_name(name)) for name in payloads}
        found |= {
            _class_name(name): _of_type(found["Event"], name, payload)
            for name, payload in payloads.items()
        }
        found["Event"] = {
            "title": "Event",
            "description": found["Event"]["description"],
            "oneOf": list(events.values()),
            "discriminator": {
                "propertyName": "type",
                "mapping": {name: each["$ref"] for name, each in events.items()},
            },
            "examples": [PLAIN],
        }
        data = found["CloudEvent"]["properties"]["data"]
        data["anyOf"] = [*_once(payloads.values()), {"type": "null"}]
    return found


def _class_name(event_type: str) -> str:
    words = "".join(each if each.isalnum() else " " for each in event_type).split()
    return "".join(each[0].upper() + each[1:] for each in words) + "Event"


def _component(name: str) -> JsonObject:
    return {"$ref": REF_TEMPLATE.format(model=name)}


def _of_type(event: JsonObject, name: str, payload: JsonObject) -> JsonObject:
    """The schema of an event, for events of one type."""
    properties = {
        **event["properties"],
        "type": {"const": name, "title": "Type", "type": "string"},
        "payload": payload,
    }
    described = {"title": _class_name(name), "description": f"An event {name}."}
    rest = {each: event[each] for each in ("type", "additionalProperties", "required")}
    return {**described, **rest, "properties": properties}


def _once(references: Iterable[JsonObject]) -> list[JsonObject]:
    return list({each["$ref"]: each for each in references}.values())


def _header(name: str, description: str) -> JsonObject:
    text = {"type": "string"}
    where = {"name": name, "in": "header", "required": False}
    return {**where, "description": description, "schema": text}


def _accepted(description: str, *models: str) -> JsonObject:
    schemas = [_component(each) for each in models]
    return {
        "description": description,
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {
            "application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
        },
    }


EVENT, CLOUD = _component("Event"), _component("CloudEvent")
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
        "200": _accepted(
            "The same event was recorded before, and nothing has changed; or this is a dry run.",
            "Accepted",
            "DryRun",
        ),
        "202": _accepted("The event is recorded and will be processed.", "Accepted"),
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
