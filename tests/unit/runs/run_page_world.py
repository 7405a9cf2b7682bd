"""Runs with a course and their pages, for tests."""

import datetime as dt
from typing import Any

from django.test import Client

from neural.events.submit import submit
from neural.models import NeuralEvent, TaskAttempt, TaskRun
from tests.unit.admin import admin_world as world

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ORDER = {"order_id": "A-1", "lines": [{"dish": "D-1", "quantity": 1, "price": "7.50"}]}


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def attempt(run: TaskRun, start: float, end: float, outcome: str = "failed", **fields: Any) -> None:
    TaskAttempt.objects.create(
        run=run, outcome=outcome, started_at=at(start), finished_at=at(end), **fields
    )


def dead_run(**fields: Any) -> TaskRun:
    times = {"available_at": at(65), "started_at": at(70), "finished_at": at(72)}
    run = world.run("dead", error="KeyError: 'dish'", failures=2, **times, **fields)
    TaskRun.objects.filter(pk=run.pk).update(created_at=START)
    run.refresh_from_db()
    attempt(run, 2, 3, error="KeyError: 'first'", traceback="the first traceback")
    attempt(run, 70, 72, error="KeyError: 'dish'", traceback="the second traceback")
    return run


def submitted(kind: str, event_id: str, payload: dict[str, Any]) -> NeuralEvent:
    found = submit(type=kind, store="S1", source="till", event_id=event_id, payload=payload)
    return found.or_raise()


def page(run: TaskRun, client: Client | None = None) -> str:
    answer = (client or world.superuser()).get(world.page_of(run))
    assert answer.status_code == 200
    return str(answer.content.decode())
