"""The page of one run: its error first, what is masked, and the runs around it."""

import datetime as dt
import json
from typing import Any

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from neural.audit import record
from neural.models import AuditSource, RunEdit
from neural.personal import redacting
from neural.runs.admin.run_page.page import from_now
from tests.unit.admin import admin_world as world
from tests.unit.runs.run_page_world import START, attempt, dead_run, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

PHONE = "13812341234"
MASK = "138****1234"


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Personal data is the one phone of these tests."""

    def redacted(value: Any, *, key: str = "") -> Any:
        return json.loads(json.dumps(value, ensure_ascii=False).replace(PHONE, MASK))

    monkeypatch.setattr(redacting, "redacted", redacted)
    monkeypatch.setattr(redacting, "redacted_text", lambda text: text.replace(PHONE, MASK))


def test_the_error_comes_first_then_the_course_and_the_traceback_is_folded() -> None:
    shown = page(dead_run())

    places = [shown.index(f'id="{name}"') for name in ("run-error", "attempts", "contents")]
    assert places == sorted(places)
    assert '<details id="last-traceback"><summary>' in shown
    assert "the second traceback" in shown[: shown.index('id="attempts"')]


def test_a_run_that_is_not_finished_refreshes_itself_and_one_that_is_does_not() -> None:
    unfinished = [world.run(), world.run("running", task_id="t2")]

    for run in unfinished:
        shown = page(run)
        assert 'hx-select="#row-live"' in shown
        assert "htmx" in shown
    assert "data-refresh" not in page(world.run("succeeded", task_id="t3"))


def test_no_page_of_a_run_has_inline_style_or_script() -> None:
    shown = page(dead_run(event=world.event()))

    assert "style=" not in shown.replace("stylesheet", "")
    assert "onclick" not in shown


def test_who_may_not_see_personal_data_sees_it_masked_wherever_it_stands(masked: None) -> None:
    event = world.event(payload={"phone": PHONE})
    run = world.run(
        "dead", event=event, handler="h", kwargs={"to": PHONE}, result=[PHONE], error=f"no {PHONE}"
    )
    attempt(run, 1, 2, error=f"no {PHONE}", traceback=f"call({PHONE})")
    task = world.run("dead", task_id="t2", args=[PHONE])
    for each in (run, task):
        record(
            action="run.retry", by="a", source=AuditSource.ADMIN, rows=[each], reason=f"ask {PHONE}"
        )
        RunEdit.objects.create(
            run_id=each.pk,
            before={"args": [PHONE]},
            after={"args": ["x"]},
            reason=f"ask {PHONE}",
            edited_by="a",
            token=each.task_id,
        )
    viewer = world.client_of()

    for each in (run, task):
        shown = page(each, viewer)
        assert PHONE not in shown
        assert MASK in shown
        assert "is masked" in shown
        assert PHONE in page(each)


def test_a_difference_in_personal_data_alone_is_told_without_it(masked: None) -> None:
    run = world.run("dead")
    RunEdit.objects.create(
        run_id=run.pk, before={"args": [PHONE]}, after={"args": [MASK]}, reason="r", edited_by="a"
    )

    assert "What was changed is personal data" in page(run, world.client_of())


def test_a_due_time_names_its_zone_and_how_far_it_is() -> None:
    hour = dt.timedelta(hours=1)

    assert from_now(START + hour, START) == "in 1 h 0 min"
    assert from_now(START - hour, START) == "1 h 0 min ago"
    assert "20:00:00</time> Asia/Shanghai · " in page(world.run(available_at=START))


# Around it


def test_a_run_is_linked_with_its_caller_the_first_of_its_workflow_and_what_it_started() -> None:
    root = world.run("succeeded", task_id="root")
    parent = world.run("succeeded", task_id="parent", options={"root_id": "root"})
    run = world.run("dead", task_id="me", parent_task_id="parent", options={"root_id": "root"})
    child = world.run(task_id="child", parent_task_id="me")

    shown = page(run)

    for other in (root, parent, child):
        assert f'href="{world.page_of(other)}"' in shown
    assert world.page_of(child) not in page(parent)


def test_relatives_of_another_store_are_not_shown() -> None:
    run = world.run("dead", task_id="me", store=world.store("S1"))
    theirs = world.run(task_id="child", parent_task_id="me", store=world.store("S2"))
    mine = world.client_of("view_personal_data", stores=[world.store("S1")])

    assert world.page_of(theirs) not in page(run, mine)
    assert world.page_of(theirs) in page(run)


def test_a_run_of_a_schedule_leads_to_it_for_who_may_see_schedules() -> None:
    every = IntervalSchedule.objects.create(every=1, period="days")
    schedule = PeriodicTask.objects.create(name="nightly", task="app.count", interval=every)
    run = world.run(task_id=f"schedule-{schedule.pk}-2026-03-02T01:01:30.000000Z")

    assert f"/schedulepolicy/{schedule.pk}/change/" in page(run)
    assert (
        "/schedulepolicy/"
        not in page(run, world.client_of("view_personal_data")).split('id="row-live"')[1]
    )


def test_a_run_that_was_corrected_and_its_correction_lead_to_each_other() -> None:
    old, new = world.run("discarded", task_id="old"), world.run(task_id="new")
    RunEdit.objects.create(
        run_id=old.pk,
        new_run_id=new.pk,
        new_event_id=1,
        before={},
        after={},
        reason="",
        edited_by="a",
    )

    assert world.page_of(new) in page(old)
    assert world.page_of(old) in page(new)
