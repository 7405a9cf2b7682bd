"""What the tests of the API's reading endpoints have in common: keys, rows and requests."""

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from neural.api import keys
from neural.api.models import Scope
from neural.models import NeuralEvent, Store, TaskRun

EVERY_SCOPE = tuple(Scope.values)
PROBLEM = "application/problem+json"


class Caller:
    """A program with a key; ``stores`` None makes it a key of every store."""

    def __init__(self, *stores: str, scopes: Any = EVERY_SCOPE) -> None:
        rows = [store(code) for code in stores] if stores else None
        self.key, self.text = keys.issue(name="till", scopes=scopes, stores=rows)
        self.client = Client(
            headers={"Authorization": f"Bearer {self.text}"}, raise_request_exception=True
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query)

    def read(self, path: str, **query: Any) -> Any:
        response = self.get(path, **query)
        assert response.status_code == 200, response.content
        return response.json()

    def post(self, path: str, body: Any = None) -> Any:
        sent = body if isinstance(body, (bytes, str)) else json.dumps(body)
        data = "" if body is None else sent
        return self.client.post(f"/api/v1/{path}", data, content_type="application/json")


def problem(response: Any, status: int) -> Any:
    """The problem that a response is."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    body = response.json()
    assert body["status"] == status
    return body


def fields(response: Any) -> list[str]:
    """The fields that a 422 names."""
    return [each["field"] for each in problem(response, 422)["errors"]]


def store(code: str = "S1", **values: Any) -> Store:
    return Store.objects.get_or_create(code=code, defaults=values)[0]


def event(event_id: str = "e1", *, at: str = "S1", **values: Any) -> NeuralEvent:
    values.setdefault("payload", {"order_id": "1", "lines": []})
    values.setdefault("type", "order.created")
    values.setdefault("source", "till")
    values.setdefault("occurred_at", timezone.now())
    made = NeuralEvent.objects.create(
        store=store(at), event_id=event_id, content_hash="0" * 32, **values
    )
    made.refresh_from_db()
    return made


def run(
    state: str = "pending", *, task_id: str = "t1", at: str | None = "S1", **values: Any
) -> TaskRun:
    now = timezone.now()
    values.setdefault("task", "app.count")
    values.setdefault("queue", "default")
    if state != "pending":
        values.setdefault("started_at", now)
    if state not in ("pending", "running"):
        values.setdefault("finished_at", now)
    if state == "running":
        values.setdefault("token", 7)
    return TaskRun.objects.create(
        state=state, task_id=task_id, store=None if at is None else store(at), **values
    )
