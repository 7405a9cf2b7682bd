"""Editing a run and retrying it: what is kept, what is submitted, and what is refused."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from hypothesis import given
from hypothesis import strategies as st

from neural.events.answers import EventPruned, EventRefused
from neural.events.submit import submit
from neural.kit.errors import PermanentError
from neural.kit.stored_json import NotStorable
from neural.ledger.record import TaskIdTaken, enqueue
from neural.models import AuditEntry, NeuralEvent, RunEdit, RunState, TaskRun
from neural.restaurant.models.newest import version_of
from neural.runs import editing
from neural.runs.differing import ABSENT, Change, difference
from neural.runs.editing import (
    Editor,
    NothingChanged,
    RunNotEditable,
    edit,
    fields_of,
    fingerprint,
    problems_of,
)
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.usefixtures("fake_broker")
database = pytest.mark.django_db
HANDLER = "neural.record_order"
ORDER = {"order_id": "A-1", "lines": [{"dish": "D-1", "quantity": 1, "price": "7.50"}]}
DEARER = {"order_id": "A-1", "lines": [{"dish": "D-1", "quantity": 1, "price": "8.00"}]}


def editor(run: TaskRun, *, name: str = "anna", token: str = "t", seen: str = "") -> Editor:
    user = get_user_model().objects.get_or_create(username=name)[0]
    return Editor(user=user, reason="a typo", token=token, seen=seen or fingerprint(run))


def task_run(state: str = "dead", **fields: Any) -> TaskRun:
    return world.run(state, args=[1], kwargs={"b": 2}, failures=4, **fields)


def event_run(event_id: str = "1001", **fields: Any) -> TaskRun:
    event = submit(
        type="order.created", store="S1", source="till", event_id=event_id, payload=ORDER, **fields
    ).or_raise()
    event.runs.update(state="dead", failures=4, finished_at=event.recorded_at, priority=7)
    return event.runs.get(handler=HANDLER)


def arguments(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": list(args), "kwargs": kwargs}


# A task's run


@database
@pytest.mark.parametrize("state", ["dead", "cancelled", "discarded", "pending"])
def test_a_tasks_run_is_due_again_with_other_arguments_and_the_original_ones_are_kept(
    state: str,
) -> None:
    run = task_run(state)

    done = edit(run=run, content=arguments(1, b=3), editor=editor(run))

    run.refresh_from_db()
    assert (run.state, run.failures, run.args, run.kwargs) == ("pending", 0, [1], {"b": 3})
    assert (done.edit.before, done.edit.after) == (arguments(1, b=2), arguments(1, b=3))
    assert (done.edit.edited_by, done.edit.reason, done.edit.run_id) == ("anna", "a typo", run.pk)


@database
@pytest.mark.parametrize(("state", "failures"), [("running", 1), ("succeeded", 1), ("pending", 0)])
def test_a_run_that_works_has_succeeded_or_was_not_tried_yet_is_not_edited(
    state: str, failures: int
) -> None:
    run = world.run(state, args=[1], failures=failures)

    with pytest.raises(RunNotEditable):
        edit(run=run, content=arguments(2), editor=editor(run))

    run.refresh_from_db()
    assert (run.state, run.args, RunEdit.objects.count()) == (state, [1], 0)


@database
@pytest.mark.parametrize(
    "value", [float("nan"), "\0", "x" * 300_000], ids=["not a number", "NUL", "too large"]
)
def test_arguments_that_cannot_be_kept_are_refused_and_nothing_is_written(value: Any) -> None:
    run = task_run()

    with pytest.raises(NotStorable):
        edit(run=run, content=arguments(value), editor=editor(run))

    run.refresh_from_db()
    assert (run.state, run.args) == ("dead", [1])
    assert not AuditEntry.objects.exists()


@database
def test_who_asks_for_the_edited_run_by_its_id_and_first_arguments_still_finds_it() -> None:
    run = task_run(task_id="by-caller")
    edit(run=run, content=arguments(9, b=2), editor=editor(run))
    asked = {"task": run.task, "queue": "default", "priority": 5, "task_id": "by-caller"}

    assert enqueue(**asked, args=[1], kwargs={"b": 2}).pk == run.pk
    assert enqueue(**asked, args=[9], kwargs={"b": 2}).pk == run.pk
    with pytest.raises(TaskIdTaken):
        enqueue(**asked, args=[5], kwargs={})


# An event's run


@database
def test_a_corrected_event_is_submitted_beside_the_original_whose_run_is_discarded() -> None:
    run = event_run()
    original = run.event

    done = edit(run=run, content={"payload": DEARER}, editor=editor(run))

    run.refresh_from_db()
    new = NeuralEvent.objects.get(pk=done.edit.new_event_id)
    new_run = TaskRun.objects.get(pk=done.edit.new_run_id)
    assert run.state == RunState.DISCARDED
    assert NeuralEvent.objects.get(pk=original.pk).payload == ORDER
    assert (new.event_id, new.payload, new.source) == ("1001~edit-01", DEARER, "till")
    assert new.occurred_at == original.occurred_at
    assert (new_run.handler, new_run.state, new_run.requested_by) == (HANDLER, "pending", "anna")
    assert (new_run.queue, new_run.priority) == (run.queue, 7)


@database
def test_what_a_platform_pushed_is_edited_although_its_currency_lacks_the_digits() -> None:
    pushed = {"order_id": "A-1", "currency": "JPY", "lines": [], "total": "1079.5"}
    identity = {"store": "S1", "source": "shop", "event_id": "A-1:1"}
    event = submit(
        type="order.stated", **identity, payload=pushed, entry_point="webhook", strict=None
    ).or_raise()
    event.runs.update(state="dead", failures=4, finished_at=event.recorded_at)
    run = event.runs.get()
    corrected = {**pushed, "note": "without ice"}
    assert problems_of(run=run, payload=corrected) == ()

    done = edit(run=run, content={"payload": corrected}, editor=editor(run))

    assert done.edit.new_event_id


@database
def test_a_correction_is_newer_than_what_it_corrects_and_older_than_what_came_later() -> None:
    run = event_run()
    first = _corrected(run, "8.00")
    first.runs.update(state="dead", finished_at=first.recorded_at)
    second = _corrected(first.runs.get(handler=HANDLER), "9.00")
    later = event_run("0002").event

    versions = [version_of(each) for each in (run.event, first, second, later)]

    assert second.event_id == "1001~edit-02"
    assert versions == sorted(versions)


def _corrected(run: TaskRun, price: str) -> NeuralEvent:
    payload = {**ORDER, "lines": [{**ORDER["lines"][0], "price": price}]}  # type: ignore[index,dict-item]
    done = edit(run=run, content={"payload": payload}, editor=editor(run, token=price))
    return NeuralEvent.objects.get(pk=done.edit.new_event_id)


@database
@pytest.mark.parametrize("payload", [{"order_id": "A-1"}, {**ORDER, "note": "\0"}])
def test_a_payload_that_the_schema_refuses_changes_nothing_and_is_no_refused_event(
    payload: Any,
) -> None:
    run = event_run()
    before = _everything()

    with pytest.raises(EventRefused):
        edit(run=run, content={"payload": payload}, editor=editor(run))

    assert _everything() == before


def _everything() -> tuple[Any, ...]:
    from neural.models import RefusedEvent

    models = (NeuralEvent, TaskRun, RunEdit, AuditEntry, RefusedEvent)
    return tuple(list(model.objects.order_by("pk").values()) for model in models)


@database
def test_a_failure_at_the_last_step_leaves_nothing_half_written(monkeypatch: Any) -> None:
    run = event_run()
    asked = editor(run)
    before = _everything()

    def broken(**_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(editing.audit, "record", broken)
    with pytest.raises(RuntimeError):
        edit(run=run, content={"payload": DEARER}, editor=asked)

    assert _everything() == before


@database
def test_an_id_with_no_room_for_a_number_and_a_pruned_payload_are_refused_in_a_sentence() -> None:
    long = event_run("x" * 195)
    pruned = event_run()
    NeuralEvent.objects.filter(pk=pruned.event_id).update(payload=None, pruned_at=pruned.created_at)
    pruned.event.refresh_from_db()

    with pytest.raises(EventRefused, match="at most 192"):
        edit(run=long, content={"payload": DEARER}, editor=editor(long))
    with pytest.raises(EventPruned):
        edit(run=pruned, content={"payload": DEARER}, editor=editor(pruned))


# Twice


@database
@pytest.mark.parametrize("make", [task_run, event_run])
def test_the_same_form_sent_twice_edits_once(make: Any) -> None:
    run = make()
    asked = editor(run)
    content = {"payload": DEARER} if run.event_id else arguments(5)

    first, second = (edit(run=run, content=content, editor=asked) for _ in range(2))

    assert (first.edit.pk, first.is_repeated) == (second.edit.pk, False)
    assert second.is_repeated
    assert RunEdit.objects.count() == AuditEntry.objects.count() == 1


@database
@pytest.mark.parametrize("make", [task_run, event_run])
def test_of_two_people_who_edit_a_run_the_second_is_told(make: Any) -> None:
    run = make()
    anna, bert = editor(run), editor(run, name="bert", token="u")
    content = {"payload": DEARER} if run.event_id else arguments(5)
    edit(run=run, content=content, editor=anna)

    with pytest.raises(RunNotEditable):
        edit(run=run, content={**content, "args": [6]}, editor=bert)

    assert RunEdit.objects.get().edited_by == "anna"


@database
def test_a_form_of_one_run_does_not_edit_another() -> None:
    one, other = task_run(), task_run(task_id="t2")
    edit(run=one, content=arguments(5), editor=editor(one))

    with pytest.raises(RunNotEditable):
        edit(run=other, content=arguments(5), editor=editor(other))


@database
def test_content_that_was_not_changed_is_no_edit() -> None:
    run = task_run()

    with pytest.raises(NothingChanged):
        edit(run=run, content=arguments(1, b=2), editor=editor(run))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_of_editors_at_the_same_moment_one_edits_and_the_others_are_told() -> None:
    run = event_run()
    asked = [editor(run, token=str(number)) for number in range(4)]
    outcomes: list[str] = []
    ready = threading.Barrier(len(asked))

    def work(number: int) -> None:
        payload = {**DEARER, "note": str(number)}
        try:
            ready.wait(60)
            edit(run=run, content={"payload": payload}, editor=asked[number])
            outcomes.append("edited")
        except PermanentError as error:
            outcomes.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[number]) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["RunNotEditable"] * 3 + ["edited"]
    assert RunEdit.objects.count() == 1
    assert NeuralEvent.objects.count() == 2


# What is told


@database
def test_the_audit_log_says_which_fields_were_changed_and_no_value() -> None:
    run = event_run()

    done = edit(run=run, content={"payload": {**DEARER, "note": "王小明"}}, editor=editor(run))

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == ("run.edit", "anna", "a typo")
    assert entry.target_ids == [str(run.pk)]
    assert entry.details == {
        "changed": 2,
        "fields": ["payload.lines.0.price", "payload.note"],
        "new_event": done.edit.new_event_id,
        "new_run": done.edit.new_run_id,
    }


def test_a_key_that_is_no_fields_name_is_not_told() -> None:
    paths = [("guests", "138 0000 1234", "name"), ("guests", "王", "name"), ("lines", 2)]

    assert fields_of(paths) == ["guests", "lines.2"]


# The difference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_a_difference_applied_to_the_old_value_gives_the_new_one(before: Any, after: Any) -> None:
    assert repr_of(applied(before, difference(before, after))) == repr_of(after)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert difference(value, value) == []


def test_one_and_true_and_one_with_a_point_are_not_the_same() -> None:
    places = [each.place for each in difference([1, 1, 1], [1, True, 1.0])]

    assert places == ["1", "2"]


def test_what_is_absent_is_not_null() -> None:
    assert difference({"a": None}, {}) == [Change(("a",), None, ABSENT)]


def repr_of(value: Any) -> Any:
    """A text in which the order of keys does not count, but 1 and 1.0 differ."""
    if isinstance(value, dict):
        return sorted((key, repr_of(each)) for key, each in value.items())
    return [repr_of(each) for each in value] if isinstance(value, list) else repr(value)


def applied(before: Any, changes: list[Change]) -> Any:
    """The value that the changes make: places of lists that are lost are at its end."""
    return _built((), before, {each.path: each.after for each in changes})


def _built(path: tuple[Any, ...], value: Any, new: dict[Any, Any]) -> Any:
    if path in new:
        return new[path]
    added = [each[-1] for each in new if each[:-1] == path and each]
    if isinstance(value, dict):
        keys = dict.fromkeys([*value, *added])
        return dict(_kept(keys, path, value, new))
    if isinstance(value, list):
        places = range(max([len(value) - 1, *added]) + 1)
        return [each for _, each in _kept(places, path, dict(enumerate(value)), new)]
    return value


def _kept(keys: Any, path: tuple[Any, ...], values: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        built = _built((*path, key), values.get(key, ABSENT), new)
        if built is not ABSENT:
            yield key, built
