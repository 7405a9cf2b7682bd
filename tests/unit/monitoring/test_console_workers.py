"""The page of workers: who works on what, who is gone, and stopping one softly."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from neural.ledger.settle import mark_lost
from neural.models import ProcessKind, TaskRun, WorkerProcess
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, held, make_run, make_worker

pytestmark = pytest.mark.django_db

STOP = "stop_workerprocess"


def shown(client):
    return client.get(world.list_of("workerprocess")).content.decode()


def test_a_worker_states_its_kind_queues_memory_versions_and_runs():
    worker = make_worker(
        "oven@kitchen", memory_bytes=123_400_000, versions={"neural": "1.2", "django": "5.2"}
    )
    run = held(worker, task="app.bake", store=world.store("S1"))

    page = shown(world.client_of())

    assert all(text in page for text in ("oven@kitchen", "123.4 MB", "neural 1.2", "high_priority"))
    assert world.page_of(run) in page
    assert "app.bake" in page


def test_a_user_of_some_stores_sees_no_runs_of_others():
    worker = make_worker()
    mine = held(worker, task="app.mine", store=world.store("S1"))
    held(worker, task="app.others", store=world.store("Airport"))
    held(worker, task="app.nobodys")

    page = shown(world.client_of(stores=[mine.store]))

    assert "app.mine" in page
    assert "app.others" not in page
    assert "app.nobodys" not in page
    assert "Airport" not in page


def test_of_many_runs_the_oldest_are_shown_and_the_others_counted():
    worker = make_worker()
    for number in range(8):
        held(worker, task=f"app.bake{number}", started_at=ago(minutes=10 - number))

    page = shown(world.client_of())

    assert "app.bake0" in page
    assert "app.bake4" in page
    assert "app.bake5" not in page
    assert "and 3 more" in page


def test_a_silent_worker_is_told_before_it_is_declared_lost():
    make_worker(heartbeat_at=ago(minutes=5))

    assert "silent" in shown(world.client_of())


def test_a_lost_worker_states_how_many_of_its_runs_were_recovered():
    worker = make_worker("gone@host")
    runs = [held(worker), held(worker)]
    WorkerProcess.objects.update(lost_at=timezone.now())
    mark_lost(TaskRun.objects.filter(pk=runs[0].pk), max_losses=4, why="its worker was lost")

    client = world.client_of()
    page = shown(client)
    assert "1 run recovered" in page
    assert "still to be recovered" in page

    mark_lost(TaskRun.objects.filter(pk=runs[1].pk), max_losses=4, why="its worker was lost")
    page = shown(client)
    assert "2 runs recovered" in page
    assert "still to be recovered" not in page


def test_a_run_that_was_taken_away_already_is_not_counted_as_recovered():
    worker = make_worker()
    run = held(worker)
    TaskRun.objects.update(token=99)

    mark_lost([run], max_losses=4, why="its worker was lost")

    worker.refresh_from_db()
    assert worker.recovered_runs == 0


def test_the_number_of_queries_does_not_grow_with_workers_and_runs():
    def one_more():
        worker = make_worker()
        held(worker, store=world.store())

    client = world.client_of()
    address = world.list_of("workerprocess")
    one_more()
    before = len(world.statements(client, address))
    for _ in range(10):
        one_more()

    assert len(world.statements(client, address)) == before


def test_the_list_of_all_workers_is_reached_by_a_search():
    make_worker("old@host", stopped_at=ago(days=300))
    client = world.client_of()

    assert "old@host" not in shown(client)
    answer = client.get(world.list_of("workerprocess") + "?q=old@host")
    assert [row.name for row in answer.context["cl"].result_list] == ["old@host"]


# Stopping


def test_who_may_asks_a_worker_to_stop_and_leaves_an_entry():
    worker = make_worker()
    client = world.client_of(STOP)
    assert world.act_on(worker, "stop") in shown(client)

    answer = client.post(world.act_on(worker, "stop"), follow=True)

    worker.refresh_from_db()
    assert worker.is_asked_to_stop()
    assert worker.stop_asked_by == "lee"
    assert "Its supervisor may start it again" in answer.content.decode()
    assert LogEntry.objects.get().object_id == str(worker.pk)
    page = shown(client)
    assert "asked to stop" in page
    assert world.act_on(worker, "stop") not in page


def test_without_the_permission_it_is_neither_offered_nor_done():
    worker = make_worker()
    for client in (
        world.client_of(),
        world.client_of(STOP, stores=[world.store()], name="kim"),
    ):
        assert world.act_on(worker, "stop") not in shown(client)
        assert client.post(world.act_on(worker, "stop")).status_code == 403
        assert client.get(world.act_on(worker, "stop")).status_code == 405

    worker.refresh_from_db()
    assert not worker.is_asked_to_stop()


@pytest.mark.parametrize(
    "fields",
    [
        {"stopped_at": ago(minutes=1)},
        {"lost_at": ago(minutes=1)},
        {"kind": ProcessKind.BEAT},
        {"stop_asked_at": ago(minutes=1), "stop_asked_by": "kim"},
    ],
)
def test_who_is_gone_or_would_not_see_it_is_not_asked(fields):
    worker = make_worker(**fields)

    assert worker.ask_to_stop(by="lee") is False
    worker.refresh_from_db()
    assert worker.stop_asked_by != "lee"


def test_no_worker_is_told_in_words():
    make_run()

    assert "No worker is alive" in shown(world.client_of())
