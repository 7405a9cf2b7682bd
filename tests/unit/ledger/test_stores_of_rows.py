"""No event and no run names a store that is not there, whatever statement writes or deletes."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction

import neural
from neural.models import NeuralEvent, Store, TaskRun
from neural.models.new_run import new_task_id
from tests.unit.factories import make_event, make_run, make_store

POSTGRESQL = connection.vendor == "postgresql"
pytestmark = pytest.mark.django_db


def _refused(change: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            change()
            connection.check_constraints()
    except IntegrityError:
        return True
    return False


def _deleted(store: Store) -> None:
    Store.objects.filter(pk=store.pk)._raw_delete("default")  # as SQL does, without Django's look


def test_events_of_stores_that_are_not_there_are_refused_together():
    known, other = make_event("1"), make_event("2")
    known.pk, known.event_id = None, "3"
    other.pk, other.event_id, other.store_id = None, "4", "nowhere"

    assert _refused(lambda: NeuralEvent.objects.bulk_create([known, other]))
    assert not _refused(lambda: NeuralEvent.objects.bulk_create([known]))


def test_a_run_without_an_event_has_no_store_or_one_that_is_there():
    run = make_run(store=make_store())

    assert _refused(lambda: make_run(store_id="nowhere"))
    assert _refused(lambda: TaskRun.objects.filter(pk=run.pk).update(store="nowhere"))
    assert not _refused(lambda: make_run(store=None))


def test_a_store_with_an_event_is_not_deleted():
    event = make_event()
    connection.check_constraints()

    assert _refused(lambda: _deleted(event.store))


def test_a_store_with_a_run_is_not_deleted():
    run = make_run(store=make_store())
    connection.check_constraints()

    assert _refused(lambda: _deleted(run.store))


def test_a_store_without_rows_is_deleted():
    assert not _refused(lambda: _deleted(make_store()))


def test_a_new_store_and_its_events_come_with_one_statement():
    kind = {"type": "inventory.updated", "store": "new", "source": "till"}
    payload = {"item": "flour", "level": 3}
    answers = neural.submit_many(
        {**kind, "event_id": new_task_id(), "payload": payload} for _ in range(3)
    )

    assert {answer.or_raise().store_id for answer in answers} == {"new"}
    connection.check_constraints()


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_store_is_not_deleted_while_an_open_transaction_refers_to_it():
    store = make_store()
    other = connections["default"].copy()
    try:
        with transaction.atomic():
            make_event()
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
                with pytest.raises(OperationalError, match="lock timeout"):
                    cursor.execute("DELETE FROM neural_store WHERE code = %s", [store.pk])
    finally:
        other.close()
