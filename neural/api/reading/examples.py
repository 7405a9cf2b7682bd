"""Examples of what is read, for the OpenAPI document. A test holds each to its own schema."""

from typing import Any

ATTEMPT: dict[str, Any] = {
    "number": 1,
    "outcome": "succeeded",
    "started_at": "2026-03-01T12:00:00.480000Z",
    "finished_at": "2026-03-01T12:00:00.491000Z",
    "worker": "high@web-1",
    "error": "",
}
RUN: dict[str, Any] = {
    "task_id": "0195c0de-0000-7000-8000-000000000001",
    "task": "neural.tasks.process_neural_event",
    "handler": "neural.record_order",
    "event": 4711,
    "store": "S01",
    "queue": "high_priority",
    "priority": 10,
    "state": "succeeded",
    "requested_by": "API key 3f9c0a71be",
    "created_at": "2026-03-01T12:00:00.450000Z",
    "due_at": "2026-03-01T12:00:00.450000Z",
    "started_at": "2026-03-01T12:00:00.480000Z",
    "finished_at": "2026-03-01T12:00:00.491000Z",
    "failures": 0,
    "losses": 0,
    "error": "",
    "result": None,
    "attempts": [ATTEMPT],
}
LISTED_EVENT: dict[str, Any] = {
    "id": 4711,
    "store": "S01",
    "source": "till-3",
    "event_id": "1001",
    "type": "order.created",
    "occurred_at": "2026-03-01T11:59:58Z",
    "recorded_at": "2026-03-01T12:00:00.450000Z",
    "unhandled": False,
    "pruned_at": None,
    "runs": [{name: RUN[name] for name in ("task_id", "handler", "state")}],
}
EVENT: dict[str, Any] = {
    **LISTED_EVENT,
    "payload": {
        "order_id": "1001",
        "lines": [{"dish_id": "D7", "name": "麻婆豆腐", "quantity": 2, "price": "28.00"}],
    },
    "runs": [RUN],
}
RETRIED_RUN: dict[str, Any] = {
    "task_id": RUN["task_id"],
    "handler": RUN["handler"],
    "state": "dead",
}
EVENT_RETRIED: dict[str, Any] = {
    "id": 4711,
    "retried": [RETRIED_RUN],
    "recorded": [],
    "unchanged": [],
}
RUNS_TO_RETRY: dict[str, Any] = {
    "states": ["dead"],
    "store": "S01",
    "handler": "neural.record_order",
    "error": "connection refused",
    "since": "2026-03-01T00:00:00Z",
    "limit": 500,
    "dry_run": True,
}
RUNS_RETRIED: dict[str, Any] = {
    "dry_run": True,
    "retried": 1,
    "more": False,
    "task_ids": [RUN["task_id"]],
}
STORE: dict[str, Any] = {
    "code": "S01",
    "name": "人民广场店",
    "brand": "智链小厨",
    "region": "上海",
    "country": "CN",
    "time_zone": "Asia/Shanghai",
    "day_ends_at": "04:00:00",
    "confirmed": True,
}
