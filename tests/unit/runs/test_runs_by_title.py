"""Pages name a run by the title of its work, and beside it by the name that engineers know."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

import neural
from neural.audit import record
from neural.events.submit import submit
from neural.models import AuditSource, BulkAction, BulkActionItem, BulkVerb, TaskRun
from neural.restaurant.models import Order
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_worker
from tests.unit.monitoring.failing import fail, grouped

pytestmark = pytest.mark.django_db

WORK = "neural.record_order"
BOTH = f'Record orders <small class="neural-codename">{WORK}</small>'


def a_run(state: str = "dead", **fields: Any) -> TaskRun:
    fields.setdefault("event", world.event())
    return world.run(state, handler=WORK, **fields)


def page(address: str, client: Client | None = None, **params: Any) -> str:
    answer = (client or world.superuser()).get(address, params)
    assert answer.status_code == 200
    return answer.content.decode()


def link_to(run: TaskRun, text: str = BOTH) -> str:
    return f'<a href="{world.page_of(run)}">{text}</a>'


def test_the_page_of_a_run_has_both_at_its_head_and_among_its_facts() -> None:
    shown = page(world.page_of(a_run()))

    assert f"{BOTH}</h2>" in shown
    assert f'<dd class="readonly">{BOTH}</dd>' in shown


def test_above_the_page_of_a_run_stand_the_title_and_the_task_id() -> None:
    shown = page(world.page_of(a_run(task_id="t-7")))

    assert "<h1>Record orders t-7</h1>" in shown
    assert "&rsaquo; Record orders t-7\n" in shown
    assert f"{WORK} t-7" not in shown


def test_above_the_form_that_edits_a_run_they_lead_back_to_it() -> None:
    run = a_run(task_id="t-7")

    shown = page(reverse("admin:neural_taskrun_edit", args=[run.pk]))

    assert link_to(run, "Record orders t-7") in shown
    assert WORK not in shown


def test_the_runs_around_a_run_have_both() -> None:
    parent = a_run("succeeded")
    child = world.run(task_id="t2", parent_task_id=parent.task_id)

    assert link_to(parent) in page(world.page_of(child))


def test_the_other_runs_of_an_event_that_is_corrected_have_both() -> None:
    other = a_run()
    run = world.run("dead", handler="tills.greet", event=other.event, task_id="t2")
    address = reverse("admin:neural_taskrun_edit", args=[run.pk])
    client = world.superuser()
    form = client.get(address).context["form"]
    values = {name: form.get_initial_for_field(each, name) for name, each in form.fields.items()}
    values["payload"] = '{"order_id": "2", "lines": []}'

    shown = client.post(address, {**values, "step": "check"}).content.decode()

    assert f"<li>{link_to(other)}" in shown


def test_an_events_runs_have_both() -> None:
    run = a_run()

    assert f"<h3>{link_to(run)}" in page(world.page_of(run.event))


def test_a_workers_runs_have_both() -> None:
    worker = make_worker()
    run = a_run("running", worker=worker)

    assert link_to(run) in page(world.page_of(worker))


def test_the_preview_of_a_bulk_action_has_both_in_its_filter_its_parts_and_its_sample() -> None:
    run = a_run()

    shown = page(reverse("admin:neural_bulkaction_preview"), verb="retry", period="all", work=WORK)

    assert f"<dt>Work</dt><dd>{BOTH}</dd>" in shown
    assert f'<th scope="row">{BOTH}</th><td>1</td>' in shown
    assert f"<li>{link_to(run)}" in shown


def test_the_outcomes_of_a_bulk_action_have_both() -> None:
    run = a_run()
    action = BulkAction.objects.create(
        verb=BulkVerb.RETRY, reason="mended", requested_by="lee", user_id=1, token="x", up_to=9
    )
    BulkActionItem.objects.create(action=action, run_id=run.pk, outcome="changed", before="dead")

    assert f'<th scope="row">{link_to(run)}</th>' in page(world.page_of(action))


def test_the_audit_log_names_a_run_by_its_title_and_its_task_id() -> None:
    run = a_run(task_id="t-7")
    record(action="run.retry", by="lee", source=AuditSource.ADMIN, rows=[run])

    shown = page(world.list_of("auditentry"))

    assert re.search(r">run Record orders t-7</span></a>", shown)


@pytest.mark.django_db(transaction=True)
def test_an_error_groups_attempts_and_dead_runs_have_the_title_and_the_task_id() -> None:
    run = a_run(task_id="t-7")
    fail(run=run)
    (group,) = grouped()

    shown = page(reverse("admin:neural_monitoring_errorgroup_change", args=[group.pk]))

    assert shown.count(link_to(run, "Record orders t-7")) == 2


@pytest.mark.usefixtures("fake_broker")
def test_an_orders_events_have_their_runs_by_title() -> None:
    order = {"order_id": "A-1", "lines": [{"dish": "D-1", "quantity": 1, "price": "7.50"}]}
    event = submit(
        type="order.created", store="S1", source="till", event_id="1", payload=order
    ).or_raise()
    neural.run_due()

    shown = page(world.page_of(Order.objects.get()))

    assert link_to(event.runs.get(), "Record orders") in shown
