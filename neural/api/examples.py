"""Descriptions and examples of the bodies of the endpoints that submit events, for OpenAPI."""

from typing import Any

_PAYLOAD = {"order_id": "4711", "total": 68.5}
_PLAIN = {
    "type": "order.created",
    "store": "S01",
    "source": "till-3",
    "event_id": "4711",
    "payload": _PAYLOAD,
    "occurred_at": "2026-03-01T12:30:00+08:00",
}
_CLOUDEVENT = {
    "specversion": "1.0",
    "type": "order.created",
    "source": "till-3",
    "id": "4711",
    "store": "S01",
    "time": "2026-03-01T12:30:00+08:00",
    "datacontenttype": "application/json",
    "data": _PAYLOAD,
}
ONE: dict[str, Any] = {}
MANY: dict[str, Any] = {}
