"""The pages of events, runs and read models: complete, linked, escaped, in both languages."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

import neural
from neural.api.keys import issue
from neural.api.models import Scope
from neural.audit import record
from neural.hooks.incoming.routing import keep_raw
from neural.hooks.platforms.base import Push, Received
from neural.models import (
    AuditSource,
    AwaitedMember,
    Batch,
    BulkAction,
    NeuralEvent,
    SchedulePolicy,
    TaskAttempt,
    TaskRun,
    WorkerProcess,
)
from neural.monitoring.models import (
    Alert,
    AlertChannel,
    AlertMessage,
    AlertRule,
    ErrorGroup,
    Examination,
    Retention,
)
from neural.queues.pausing import pause
from neural.restaurant.analysis.analysing import analyse_store
from neural.retrieval.models import IngestedRecord, OutboxEntry, Search
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning
from tests.unit.hooks import hooks_world
from tests.unit.hooks.subscribing import subscribe
from tests.unit.retrieval import search_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
MODELS = [model for model in admin.site._registry if model._meta.app_label in world.OURS]


def page(row: Any, **headers: Any) -> str:
    return world.superuser().get(world.page_of(row), headers=headers).content.decode()


def failed_attempt(run: TaskRun, **fields: Any) -> TaskAttempt:
    worker = WorkerProcess.objects.create(name="celery@kitchen", host="kitchen", process_id=1)
    fields.setdefault("error", "KeyError: 'dish'")
    before = (run.started_at or timezone.now()) - timezone.timedelta(seconds=9)
    return TaskAttempt.objects.create(
        run=run, outcome="failed", started_at=before, worker=worker, process_id=77, **fields
    )


def test_a_payload_is_shown_as_indented_json_and_never_as_markup() -> None:
    event = world.event(payload={"note": SCRIPT, "dish": "宫保鸡丁"})

    shown = page(event)

    assert SCRIPT not in shown
    assert f"  &quot;note&quot;: &quot;{ESCAPED}&quot;" in shown
    assert "宫保鸡丁" in shown


def test_errors_tracebacks_arguments_and_results_are_never_markup() -> None:
    run = world.run("dead", error=SCRIPT, args=[SCRIPT], result={"x": SCRIPT})
    failed_attempt(run, error=SCRIPT, traceback=SCRIPT)
    client = world.superuser()

    detail = client.get(world.page_of(run)).content.decode()
    listed = client.get(world.list_of("taskrun")).content.decode()

    assert SCRIPT not in detail + listed
    assert detail.count(ESCAPED) >= 5
    assert ESCAPED in listed


def test_keys_from_outside_are_never_markup_in_lists_or_links() -> None:
    event = world.event(f'"{SCRIPT}')
    run = world.run(event=event, handler="h")

    for shown in (page(event), world.logged_in(_root()).get(world.page_of(run)).content.decode()):
        assert SCRIPT not in shown


def _root() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(username="root")


def test_event_runs_and_attempts_link_to_each_other() -> None:
    event = world.event()
    run = world.run("dead", event=event, handler="app.handler")
    failed_attempt(run)
    client = world.superuser()

    of_event = client.get(world.page_of(event)).content.decode()
    of_run = client.get(world.page_of(run)).content.decode()

    assert f'href="{world.page_of(run)}"' in of_event
    assert f'href="{world.page_of(run)}#attempt-1"' in of_event
    assert 'id="attempt-1"' in of_run
    assert f'href="{world.page_of(event)}"' in of_run


def test_a_runs_page_has_every_attempt_with_worker_process_and_traceback() -> None:
    run = world.run("succeeded", failures=1)
    failed_attempt(run, traceback="Traceback (most recent call last):\n  KeyError")

    client = world.superuser()
    answer = client.get(world.page_of(run))

    attempts = [step.attempt for step in answer.context["steps"] if step.attempt]
    assert [each.outcome for each in attempts] == ["failed", "succeeded"]
    shown = answer.content.decode()
    for text in ("Traceback (most recent call last):", "celery@kitchen", "77", "KeyError"):
        assert text in shown


def test_the_list_of_events_shows_the_states_of_their_runs_as_badges() -> None:
    event = world.event()
    for number, state in enumerate(["succeeded", "succeeded", "dead"]):
        world.run(state, event=event, handler=f"h{number}", task_id=f"t{number}")
    world.event("e2", unhandled=True)

    shown = world.superuser().get(world.list_of("neuralevent")).content.decode()

    assert 'neural-succeeded">succeeded × 2<' in shown
    assert 'neural-dead">dead<' in shown
    assert 'neural-unhandled">unhandled<' in shown


def test_a_worker_is_present_stopped_or_lost_and_its_heartbeat_has_an_age() -> None:
    now = timezone.now()
    common = {"host": "h", "process_id": 1, "queues": ["default"]}
    hour_ago = now - timezone.timedelta(hours=1)
    WorkerProcess.objects.create(name="a", heartbeat_at=hour_ago, lost_at=now, **common)
    WorkerProcess.objects.create(name="b", stopped_at=now, **common)
    WorkerProcess.objects.create(name="c", **common)

    shown = world.superuser().get(world.list_of("workerprocess")).content.decode()

    for state in ("present", "stopped", "lost"):
        assert f'neural-{state}">{state}<' in shown
    assert "1 h 0 min ago" in shown


def submitted() -> None:
    """One row of every read model, made by the events that make them."""
    payloads = {
        "order.created": {
            "order_id": "1",
            "lines": [{"dish": "D1", "name": SCRIPT, "quantity": 2, "price": "9.5"}],
        },
        "payment.completed": {"payment_id": "p1", "order_id": "1", "amount": "19"},
        "inventory.low": {"item": "rice", "level": "3.5"},
        "dish.updated": {"dish": "D1", "name": SCRIPT},
        "item.sold_out": {"dish": "D1", "name": SCRIPT, "reason": SCRIPT, "till": "T1"},
        "staff.scheduled": {
            "shift_id": "1",
            "staff_id": "E1",
            "name": SCRIPT,
            "starts_at": "2026-03-01T10:00:00",
            "ends_at": "2026-03-01T18:00:00",
        },
        "sales.reported": {"day": "2026-03-01", "lines": [{"dish": "D1", "quantity": 4}]},
        "menu.updated": {"items": [{"dish": "D1", "name": SCRIPT}], "complete": True},
        "store.busy": {"reason": SCRIPT, "platform": SCRIPT},
        "staff.clocked_in": {"timecard_id": "1", "staff_id": "E1", "name": SCRIPT, "role": SCRIPT},
        "staff.clocked_out": {
            "timecard_id": "1",
            "staff_id": "E1",
            "breaks": [{"starts_at": "2026-03-01T12:00", "ends_at": "2026-03-01T12:30"}],
        },
        "day.closed": {"till": SCRIPT, "business_day": "2026-03-01", "sums": {"total": "19"}},
    }
    subscribe("https://erp.example/", "inventory.low", name=SCRIPT)
    for kind, payload in payloads.items():
        neural.submit(type=kind, store="S1", source="till", event_id=kind, payload=payload)
    neural.submit(type=SCRIPT, store="S1", source=SCRIPT, event_id=SCRIPT, payload={SCRIPT: SCRIPT})
    neural.run_due()
    analyse_store(store=world.store(), since=None, now=timezone.now())
    WorkerProcess.objects.create(name="w", host="h", process_id=1)
    pause(queue="default", reason=SCRIPT, by=SCRIPT)
    every_hour = IntervalSchedule.objects.create(every=1, period="hours")
    scheduled = PeriodicTask.objects.create(name=SCRIPT, task="t", interval=every_hour)
    SchedulePolicy.objects.create(schedule_id=scheduled.pk, skipped_why=SCRIPT)
    training = learning.training()
    learning.update(training, world.store(), "rejected", detail=SCRIPT)
    learning.forecast(world.store(), name=SCRIPT, version=learning.version(training))
    search_world.index(SCRIPT)
    OutboxEntry.objects.create(collection=SCRIPT, key=SCRIPT, error=SCRIPT)
    IngestedRecord.objects.create(collection=SCRIPT, key=SCRIPT, data={SCRIPT: SCRIPT})
    received()
    acted_on_many()
    watched()
    issue(name=SCRIPT, scopes=[Scope.EVENTS_READ], stores=[world.store()])
    told: dict[str, Any] = {"changes": [SCRIPT], SCRIPT: SCRIPT}
    words: dict[str, Any] = {
        "action": SCRIPT,
        "by": SCRIPT,
        "reason": SCRIPT,
        "query": {SCRIPT: SCRIPT},
    }
    record(source=AuditSource.ADMIN, rows=[world.store()], details=told, **words)


def acted_on_many() -> None:
    """A bulk action, and what became of a run; a batch with members."""
    action = BulkAction.objects.create(
        verb="retry",
        query={"text": SCRIPT, "period": "all"},
        reason=SCRIPT,
        requested_by=SCRIPT,
        stop_reason=SCRIPT,
        user_id=1,
        token="t",
        up_to=9,
    )
    action.items.create(run_id=1, outcome="failed", detail=SCRIPT)
    options = {"body": {"task": SCRIPT}}
    batch = Batch.objects.create(batch_id=SCRIPT, name=SCRIPT, kind="chord", options=options)
    AwaitedMember.objects.create(batch_key=SCRIPT, task_id=SCRIPT, error=SCRIPT)
    world.run("dead", task_id="member", batch=batch, error=SCRIPT)


def watched() -> None:
    """What monitoring has found, and told."""
    Examination.objects.get_or_create(pk=1)
    Alert.objects.create(rule="no_worker", subject=SCRIPT, severity="warning", state="firing")
    AlertRule.objects.create(name="no_worker")
    channel = AlertChannel.objects.create(name=SCRIPT, kind="email", addresses=SCRIPT)
    AlertMessage.objects.create(channel=channel, rule="no_worker", answer=SCRIPT)
    now = timezone.now()
    ErrorGroup.objects.create(
        fingerprint="f", exception=SCRIPT, message=SCRIPT, frame=SCRIPT, first_at=now, last_at=now
    )


def received() -> None:
    """A push that waits, of a source with a code, and a day that was asked for."""
    source = hooks_world.source(credentials={"secret": SCRIPT})
    failures = [{"code": SCRIPT, "reason": SCRIPT}]
    source.reconciliations.create(day="2026-03-01", failures=failures, requested_by=SCRIPT)
    hooks_world.map_code(source, SCRIPT, world.store().code)
    request = Received(method="POST", url=SCRIPT, headers={SCRIPT: SCRIPT}, body=SCRIPT.encode())
    push = Push(push_id=SCRIPT, body=SCRIPT, store_code=SCRIPT)
    keep_raw(source, request, reason=SCRIPT, push=push)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_list_and_every_page_opens_in_both_languages(language: str) -> None:
    submitted()
    client = world.superuser()

    for model in MODELS:
        row = model._default_manager.first()
        assert row is not None, model
        lists = [world.list_of(model._meta.model_name)]
        # These are one page: what it shows has pages elsewhere.
        is_one_page = model in (Search, Retention, Examination)
        for address in lists + ([] if is_one_page else [world.page_of(row)]):
            answer = client.get(address, headers={"accept-language": language})
            assert answer.status_code == 200
            assert SCRIPT not in answer.content.decode()


def test_the_admin_speaks_chinese_to_who_asks_for_it() -> None:
    submitted()
    run = TaskRun.objects.filter(event__isnull=False).first()
    shown = page(run, **{"accept-language": "zh-hans"})

    for text in ("尝试", "门店", "成功", "任务编号", "队列"):
        assert text in shown


def test_an_order_shows_its_lines_and_its_payments() -> None:
    submitted()

    order = NeuralEvent.objects.get(type="order.created").store.orders.get()
    shown = page(order)

    for text in ("D1", "9.50", "19.00", "p1"):
        assert text in shown


def test_pages_bring_no_inline_script_or_style_of_ours() -> None:
    """A strict Content-Security-Policy can be set around the admin."""
    from pathlib import Path

    templates = Path(neural.__file__).parent.rglob("templates/**/*.html")
    for template in templates:
        text = template.read_text()
        assert not re.search(r"<script(?! src=)", text), template
        for forbidden in ("<style", "style=", " onclick", "http://", "https://"):
            assert forbidden not in text, template
