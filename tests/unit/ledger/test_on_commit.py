"""What several calls in one transaction leave to its commit: in one go, without what is undone."""

import pytest
from django.db import transaction

from neural.ledger.on_commit import call_on_commit
from tests.probe.tasks import give_back


class Undone(Exception):
    """A test undoes what was done before."""


@pytest.fixture
def calls():
    """What :func:`note` is called with."""
    heard.clear()
    return heard


heard: list[list[str]] = []


def note(items):
    heard.append(items)


def note_others(items):
    heard.append(["others", *items])


def leave(*items, to=note):
    call_on_commit(to, items)


def leave_and_undo(*items):
    with transaction.atomic():
        for item in items:
            leave(item)
        raise Undone


@pytest.mark.django_db(transaction=True)
def test_many_calls_in_one_transaction_publish_once_and_log_in_one_line(
    fake_broker, monkeypatch, caplog
):
    publishings = []
    monkeypatch.setattr(fake_broker, "publish", lambda them: publishings.append(len(them)))

    with transaction.atomic(), caplog.at_level("INFO", "neural.ledger"):
        for number in range(20):
            give_back.delay(number)

    assert publishings == [20]
    assert [line.partition(" ")[0] for line in caplog.messages] == ["event=runs_recorded"]


@pytest.mark.django_db(transaction=True)
def test_each_function_gets_all_its_items_in_their_order(calls):
    with transaction.atomic():
        leave("a", "b")
        leave("x", to=note_others)
        leave("c")
        assert calls == []

    assert calls == [["a", "b", "c"], ["others", "x"]]


@pytest.mark.django_db(transaction=True)
def test_what_is_undone_with_a_savepoint_takes_nothing_else_with_it_and_is_not_called(calls):
    with transaction.atomic():
        leave("before")
        with pytest.raises(Undone):
            leave_and_undo("undone", "undone, too")
        with transaction.atomic():
            leave("kept")
        leave("after")

    assert sorted(item for items in calls for item in items) == ["after", "before", "kept"]


@pytest.mark.django_db(transaction=True)
def test_a_hook_of_the_caller_between_two_calls_keeps_its_place(calls):
    with transaction.atomic():
        leave("before")
        transaction.on_commit(lambda: calls.append("the caller's"))
        leave("after")

    assert calls == [["before"], "the caller's", ["after"]]


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_it_is_called_at_once(calls):
    leave("a")
    leave("b")

    assert calls == [["a"], ["b"]]


@pytest.mark.django_db
def test_a_test_case_captures_the_calls_of_its_block_alone(
    calls, django_capture_on_commit_callbacks
):
    leave("before")
    with django_capture_on_commit_callbacks(execute=True):
        leave("a")

    assert calls == [["a"]]
