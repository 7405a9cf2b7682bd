"""What the tests of the admin have in common: users, rows and addresses."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from neural.models import NeuralEvent, RunState, Store, TaskRun

VIEW = ("view_neuralevent", "view_taskrun", "view_store", "view_workerprocess")


def client_of(*permissions: str, stores: Any = (), name: str = "lee") -> Client:
    """A staff user who may view, and what else is named; limited to ``stores`` if given."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    names = [*VIEW, *permissions, *(() if stores else ("view_every_store",))]
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label__startswith="neural", codename__in=names)
    )
    for store in stores:
        store.operators.add(user)
    return logged_in(user)


def superuser() -> Client:
    users = get_user_model().objects
    return logged_in(users.filter(username="root").first() or users.create_superuser("root"))


def logged_in(user: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def store(code: str = "S1") -> Store:
    return Store.objects.get_or_create(code=code)[0]


def event(
    event_id: str = "e1", *, at: str = "S1", kind: str = "order.created", **fields: Any
) -> Any:
    fields.setdefault("payload", {"order_id": "1", "lines": []})
    return NeuralEvent.objects.create(
        store=store(at),
        source="till",
        event_id=event_id,
        type=kind,
        content_hash="0" * 32,
        occurred_at=timezone.now(),
        **fields,
    )


def run(state: str = RunState.PENDING, *, task_id: str = "t1", **fields: Any) -> TaskRun:
    now = timezone.now()
    fields.setdefault("store", store())
    fields.setdefault("task", "app.count")
    fields.setdefault("queue", "default")
    if state != RunState.PENDING:
        fields.setdefault("started_at", now)
    if state not in (RunState.PENDING, RunState.RUNNING):
        fields.setdefault("finished_at", now)
    if state == RunState.RUNNING:
        fields.setdefault("token", 7)
    return TaskRun.objects.create(state=state, task_id=task_id, **fields)


OURS = (
    "neural",
    "neural_restaurant",
    "neural_retrieval",
    "neural_forecasting",
    "neural_api",
    "neural_hooks",
    "neural_monitoring",
)
"""The labels of the core and of the apps on it."""


def named(model: str) -> type[Model]:
    """The model of one of our apps, whichever it is."""
    (found,) = (
        each
        for label in OURS
        for each in apps.get_app_config(label).get_models()
        if each._meta.model_name == model
    )
    return found


def list_of(model: str) -> str:
    return reverse(f"admin:{named(model)._meta.app_label}_{model}_changelist")


def page_of(row: Any) -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def act_on(row: Any, verb: str) -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_act", args=[row.pk, verb])


def selection(verb: str, *rows: Any, **more: Any) -> dict[str, Any]:
    """What the list's form sends for an action on the ticked rows."""
    return {"action": verb, "_selected_action": [row.pk for row in rows], "index": 0, **more}


def statements(client: Any, address: str) -> Sequence[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in queries]


def events(count: int) -> list[Any]:
    made = []
    for number in range(count):
        recorded = event(f"e{number}")
        run(event=recorded, handler="h", task_id=f"t{number}")
        made.append(recorded)
    return made


def listed(client: Any, address: str) -> list[str]:
    return [row.event_id for row in client.get(address).context["cl"].result_list]
