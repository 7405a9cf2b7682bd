"""Chords with a ledger task in their header: the ledger counts, and starts the body once."""

import pytest
from celery import Celery, chain, chord, current_app, group
from celery.app.task import Context
from celery.exceptions import ChordError, CPendingDeprecationWarning, TaskRevokedError
from celery.exceptions import TimeoutError as ResultTimeout
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django_celery_results.models import ChordCounter

import neural
from neural.batches import awaited, leading, ports, recording
from neural.celeryapp.app import LedgerCelery
from neural.celeryapp.call import OptionNotKept
from neural.celeryapp.callbacks import ERROR_CALLBACK_TASK
from neural.celeryapp.celery_view import SEND_TASK
from neural.celeryapp.results import DatabaseResults, LedgerOnly
from neural.kit.stored_json import to_json
from neural.ledger import insertion
from neural.ledger.claim import Claimant, claim
from neural.models import AwaitedMember, AwaitedState, Batch, RunState, TaskRun
from neural.worker import relay
from tests.probe import canvas, tasks
from tests.probe.acting import Failing
from tests.probe.models import Effect
from tests.unit.batches.world import settled
from tests.unit.celeryapp.canvas import (
    all_done,
    record_plain_messages,
    run_all,
    runs_of,
    work_off,
)

pytestmark = pytest.mark.django_db

add, plain_add, total, fail, note = (
    canvas.add,
    canvas.plain_add,
    canvas.total,
    canvas.fail,
    canvas.note,
)


@pytest.fixture(autouse=True, params=[DatabaseResults, LedgerOnly])
def backend(request, monkeypatch):
    """The result backend, which counts nothing here: with none it is the same."""
    monkeypatch.setattr(current_app, "_backend_cache", request.param(app=current_app))
    return request.param


@pytest.fixture
def sent(fake_broker, monkeypatch):
    """What was sent to plain Celery."""
    return record_plain_messages(monkeypatch)


def batches():
    return [(each.state, each.outcome) for each in Batch.objects.order_by("pk")]


# Bodies


def test_the_body_gets_the_results_in_order_when_the_last_member_has_ended(sent):
    result = chord([add.s(1, 1), add.s(2, 2), add.s(3, 3)])(total.s())
    assert not runs_of(total)

    all_done(sent)

    assert result.get(timeout=1) == 12
    assert result.parent.get(timeout=1) == [2, 4, 6]
    assert len(runs_of(total)) == 1
    assert batches() == [("ended", "succeeded")]
    assert not AwaitedMember.objects.exists()


def test_plain_members_count_when_their_workers_report(sent):
    result = chord([plain_add.s(1, 1), add.s(2, 2), plain_add.s(3, 3)])(tasks.give_back.s())
    run_all()
    assert not runs_of(tasks.give_back)

    all_done(sent)

    assert result.get(timeout=1) == [[[2, 4, 6]], {}]


def test_a_plain_body_is_sent_with_the_results(sent):
    chord([add.s(1, 1), add.s(2, 2)])(canvas.plain_note.s("sum"))

    all_done(sent)

    assert Effect.counts() == {"sum:[2, 4]": 1}


def test_the_body_starts_once_however_often_the_batch_is_asked(sent):
    chord([add.s(1, 1), plain_add.s(2, 2)])(note.s("sum"))

    all_done(sent)
    for _ in range(3):
        neural.batches.ending.ask_all()
        all_done(sent)

    assert Effect.counts() == {"sum:[2, 4]": 1}


def test_an_immutable_body_gets_its_own_arguments(sent):
    result = chord([add.s(1, 1), add.s(2, 2)])(add.si(10, 10))

    all_done(sent)

    assert result.get(timeout=1) == 20


def test_a_body_that_is_a_chain_begins_with_the_results(sent):
    body = chain(total.s(), add.s(1), plain_add.s(1), add.s(1))
    result = chord([add.s(1, 1), plain_add.s(2, 2)])(body)

    all_done(sent)

    assert result.get(timeout=1) == 9


def test_each_task_of_a_body_that_is_a_group_gets_the_results(sent):
    body = group(note.s("ledger"), canvas.plain_note.s("plain"), note.si("own", "immutable"))
    chord([add.s(1, 1), plain_add.s(2, 2)])(body)

    all_done(sent)

    assert Effect.counts() == {"ledger:[2, 4]": 1, "plain:[2, 4]": 1, "immutable:own": 1}


def test_the_header_of_a_body_that_is_a_chord_gets_the_results(sent):
    result = chord([add.s(1, 1), plain_add.s(2, 2)])(chord([total.s(), total.s()], total.s()))

    all_done(sent)

    assert result.get(timeout=1) == 12
    assert batches() == [("ended", "succeeded")] * 2


def test_an_event_may_be_the_body(sent):
    event = {"event_id": "1", "event_type": "probe.counted", "event_source": "s"}
    submit = neural.tasks.process_neural_event.si(**event, store_id="S1", data={"key": "k"})
    chord([add.s(1, 1)])(submit)

    all_done(sent)

    assert Effect.counts() == {"k": 1}


def test_the_body_is_a_child_of_a_member_and_keeps_its_options(sent):
    later = total.s().set(queue="low_priority", countdown=3600, headers={"trace": "t1"})
    result = chord([add.s(1, 1), add.s(2, 2)])(later)
    neural.run_due()

    body = TaskRun.objects.get(task_id=result.id)
    assert body.parent_task_id in {run.task_id for run in runs_of(add)}
    assert (body.queue, body.options["headers"], body.state) == (
        "low_priority",
        {"trace": "t1"},
        "pending",
    )
    all_done(sent)
    assert result.get(timeout=1) == 6


def test_results_are_kept_with_the_members_alone_and_read_when_the_body_starts(sent, settings):
    settings.NEURAL = {"max_json_bytes": 2000}
    result = chord(tasks.give_back.s("x" * 900) for _ in range(5))(tasks.give_back.s())

    all_done(sent)

    body = TaskRun.objects.get(task_id=result.id)
    assert (body.args, body.state, "NotStorable" in body.error) == ([], "dead", True)
    assert len(body.options["header"]) == 2


# Headers


@pytest.mark.parametrize("header", [[], group([]), (each for each in ())])
def test_a_header_of_none_starts_the_body_at_once(sent, header):
    result = chord(header)(total.s())

    all_done(sent)

    assert result.get(timeout=1) == 0


def test_a_header_of_one_gives_a_list_of_one(sent):
    result = chord([add.s(1, 1)])(total.s())

    all_done(sent)

    assert result.get(timeout=1) == 2


def test_a_header_may_be_a_generator(sent):
    result = chord(each.s(number, 1) for number in range(3) for each in (add, plain_add))(total.s())

    all_done(sent)

    assert result.get(timeout=1) == 12


def test_a_large_header_is_few_statements_and_few_messages(
    fake_broker, settings, monkeypatch, django_capture_on_commit_callbacks
):
    settings.NEURAL = {"relay_batch": 3}
    monkeypatch.setattr(insertion, "CHUNK", 10)
    with (
        django_capture_on_commit_callbacks(execute=True),
        CaptureQueriesContext(connection) as queries,
    ):
        result = chord(add.s(number, 1) for number in range(30))(total.s())

    assert len(fake_broker.sent) == 3
    assert len(queries) <= 3 + 8  # the runs, and the batch
    relay.publish_unpublished(fake_broker)
    assert len(fake_broker.sent) == 30
    run_all()
    assert result.get(timeout=1) == sum(range(30)) + 30


def test_who_waits_for_a_body_does_not_read_every_member_each_time(sent):
    result = chord(add.s(number, 1) for number in range(30))(total.s())
    with CaptureQueriesContext(connection) as queries, pytest.raises(ResultTimeout):
        result.get(timeout=0)
    assert len(queries) < 10

    all_done(sent)

    assert result.get(timeout=1) == sum(range(30)) + 30


def test_an_eager_chord_is_called_at_once_as_in_celery(sent, settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True

    assert chord([add.s(1, 1), plain_add.s(2, 2)])(total.s()).get() == 6

    assert not Batch.objects.exists()
    assert not TaskRun.objects.exists()


def test_chains_in_a_header_count_with_their_last_task(sent):
    header = [
        chain(add.s(1, 1), add.s(10)),
        chain(plain_add.s(2, 2), add.s(10)),
        chain(add.s(3, 3), plain_add.s(10)),
        chain(add.s(4, 4)),
        add.s(5, 5),
    ]
    result = chord(header)(tasks.give_back.s())

    all_done(sent)

    assert result.get(timeout=1) == [[[12, 14, 16, 8, 10]], {}]


def test_a_chain_that_ends_in_a_group_counts_with_each_of_its_tasks(sent):
    row = chain(add.s(1, 1), group(add.s(1), plain_add.s(2)))
    result = chord([add.s(0, 0), row, add.s(5, 5)])(tasks.give_back.s())

    all_done(sent)

    assert result.get(timeout=1) == [[[0, [3, 4], 10]], {}]


@pytest.mark.parametrize("inner_body", [total.s(), chain(total.s(), add.s(0))])
def test_a_chord_in_a_header_counts_with_its_body(sent, inner_body):
    inner = chord([add.s(1, 1), plain_add.s(2, 2)], inner_body)
    result = chord([inner, add.s(10, 10), plain_add.s(20, 20)])(tasks.give_back.s())

    all_done(sent)

    assert result.get(timeout=1) == [[[6, 20, 40]], {}]


def test_a_chord_in_a_header_may_have_a_plain_body(sent):
    inner = chord([add.s(1, 1)], canvas.plain_note.s("inner"))
    result = chord([inner, add.s(10, 10)])(tasks.give_back.s())

    all_done(sent)

    assert result.get(timeout=1) == [[[[2], 20]], {}]


def test_a_chord_in_a_header_of_a_chord_in_a_header(sent):
    inner = chord([add.s(1, 1), add.s(2, 2)], total.s())
    middle = chord([inner, add.s(3, 3)], total.s())
    result = chord([middle, add.s(4, 4)])(total.s())

    all_done(sent)

    assert result.get(timeout=1) == 20
    assert batches() == [("ended", "succeeded")] * 3


def test_a_group_in_a_chain_is_a_header(sent):
    result = chain(
        add.s(1, 1), group(add.s(1), plain_add.s(2), add.s(3)), total.s(), plain_add.s(1), add.s(0)
    )()

    all_done(sent)

    assert result.get(timeout=1) == 13


def test_groups_in_a_chain_follow_each_other(sent):
    result = chain(
        group(add.s(1, 1), add.s(2, 2)), group(total.s(), total.s()), total.s(), add.s(1)
    )()

    all_done(sent)

    assert result.get(timeout=1) == 13


def test_a_chord_in_a_chain(sent):
    result = chain(add.s(1, 1), chord([add.s(1), add.s(2)], total.s()), add.s(10))()

    all_done(sent)

    assert result.get(timeout=1) == 17


def test_a_chord_at_the_end_of_a_chain_in_a_header_of_a_chord_in_a_chain(sent):
    inner = chain(add.s(1), chord([add.s(1), add.s(2)], total.s()))
    result = chain(add.s(1, 1), chord([add.s(1), inner], total.s()))()

    all_done(sent)

    assert result.get(timeout=1) == 12


def test_an_event_in_a_header_counts_with_its_first_handler(sent):
    event = {"event_id": "1", "event_type": "probe.pair", "event_source": "s", "store_id": "S1"}
    submit = neural.tasks.process_neural_event.si(**event, data={"key": "k"})
    first = chord([submit, add.s(1, 1)])(tasks.give_back.s())
    all_done(sent)
    again = chord([submit, add.s(1, 1)])(tasks.give_back.s())
    all_done(sent)

    assert first.get(timeout=1) == [[["done", 2]], {}]
    assert again.get(timeout=1) == [[[None, 2]], {}]


@pytest.mark.parametrize("set_aside", ["ignored", "superseded"])
def test_an_event_in_a_header_that_is_set_aside_has_ended_without_success(sent, set_aside):
    event = {"event_id": "1", "event_type": "probe.pair", "event_source": "s", "store_id": "S1"}
    submit = neural.tasks.process_neural_event.si(**event, data={"key": "k"})
    result = chord([submit, add.s(1, 1)])(tasks.give_back.s())
    first = TaskRun.objects.filter(event__isnull=False).order_by("pk").first()
    if set_aside == "ignored":
        settled(*claim(task_id=first.task_id, claimant=Claimant()), RunState.DISCARDED)
    else:
        assert first.supersede()

    all_done(sent)

    with pytest.raises(ChordError, match=first.task_id):
        result.get(timeout=1)


def test_a_member_asked_for_with_a_unique_key_is_refused(sent):
    """Another run could stand for it."""
    with pytest.raises(OptionNotKept, match="unique_key"):
        chord([add.s(1, 1).set(unique_key="k"), add.s(2, 2)])(total.s())

    assert not TaskRun.objects.exists()
    assert not Batch.objects.exists()


def test_of_a_header_with_a_member_that_is_refused_nothing_follows(sent):
    with pytest.raises(OptionNotKept):
        chord([plain_add.s(1, 1), add.s(2, 2), add.s(2, 2).set(colour=1)])(total.s())

    all_done(sent)

    assert not TaskRun.objects.exists()
    assert batches() == [("ended", "cancelled")]


def test_a_chord_that_follows_a_run_and_is_sent_again_is_the_same_chord(sent):
    header = group(add.s(1), plain_add.s(2), chain(add.s(3), add.s(4)))
    add.apply_async((1, 2), link=chord(header, note.s("sum")))
    run_all()
    (sending,) = runs_of(SEND_TASK)

    neural.celeryapp.callbacks.send(*sending.args)
    all_done(sent)

    assert Effect.counts() == {"sum:[4, 5, 10]": 1}
    assert len(batches()) == 1


# What fails


def test_after_a_dead_member_the_body_is_dead_with_its_error(sent):
    links = [note.s("dead"), canvas.on_error.s()]
    body = total.s().on_error(links[0]).on_error(links[1])
    result = chord([add.s(1, 1), fail.s("what"), plain_add.s(1, 1)])(body)

    all_done(sent)

    dead = TaskRun.objects.get(task_id=result.id)
    (failed,) = runs_of(fail)
    assert (dead.state, dead.failures) == (RunState.DEAD, 1)
    assert dead.error == f"ChordError: Dependency {failed.task_id} raised Failing: what"
    with pytest.raises(ChordError, match="Dependency"):
        current_app.AsyncResult(result.id).get(timeout=1)
    with pytest.raises(Failing, match="what"):
        result.get(timeout=1)  # as in Celery: it follows the parents
    assert [run.args for run in runs_of(note)] == [[result.id, "dead"]]
    assert len(runs_of(ERROR_CALLBACK_TASK)) == 1
    assert batches() == [("ended", "failed")]


def test_no_body_starts_before_all_members_have_ended_though_one_is_dead(sent):
    result = chord([fail.s("what"), add.s(1, 1).set(countdown=3600)])(total.s())

    neural.run_due()
    assert not runs_of(total)

    all_done(sent)
    assert result.state == "FAILURE"


def test_when_the_dead_member_and_then_the_body_are_retried_it_reads_the_results_anew(sent):
    result = chord([add.s(1, 1), tasks.count.s(key="k", permanent=True)])(tasks.give_back.s())
    all_done(sent)
    assert result.state == "FAILURE"

    TaskRun.objects.filter(task="probe.count").update(kwargs={"key": "k"})
    for name in ("probe.count", tasks.give_back.name):
        TaskRun.objects.get(task=name).retry()
        all_done(sent)

    assert TaskRun.objects.get(task_id=result.id).state == RunState.SUCCEEDED


def test_after_a_plain_member_that_failed_the_body_is_dead(sent):
    result = chord([add.s(1, 1), canvas.plain_fail.s("what")])(total.s())

    all_done(sent)

    assert "raised Failing: what" in TaskRun.objects.get(task_id=result.id).error


def test_a_plain_body_fails_as_a_result_backend_fails_it(sent, backend):
    links = canvas.plain_note.s("dead")
    result = chord([fail.s("what"), add.s(1, 1)])(plain_add.s(1).on_error(links))

    all_done(sent)

    assert Effect.counts() == {f"dead:{result.id}": 1}
    assert runs_of(SEND_TASK)[-1].state == RunState.DEAD
    if backend is DatabaseResults:
        found = current_app.AsyncResult(result.id)
        assert isinstance(found.result, ChordError)
        assert "raised Failing: what" in str(found.result)


def test_each_task_of_a_body_that_is_a_group_fails(sent):
    body = group(total.s(), add.s(1), canvas.plain_note.s("plain"))
    chord([fail.s("what"), add.s(1, 1)])(body)

    all_done(sent)

    assert [run.state for run in (*runs_of(total), *runs_of(SEND_TASK))] == ["dead"] * 2
    assert not Effect.counts()


@pytest.mark.parametrize(
    "body", [chord([total.s(), add.s(1)], note.s("no")), chain(total.s(), note.s("no"))]
)
def test_nothing_of_a_body_that_is_a_canvas_starts_after_a_dead_member(sent, body):
    chord([fail.s("what"), add.s(1, 1)])(body)

    all_done(sent)

    assert not Effect.counts()
    assert TaskRun.objects.dead().count() == 2


@pytest.mark.parametrize(
    "member",
    [
        chain(fail.si("what"), add.s(1)),
        chain(fail.si("what"), plain_add.s(1)),
        chain(fail.si("what"), add.s(1), group(add.s(1), plain_add.s(1))),
        chain(fail.si("what"), chord([add.s(1), add.s(2)], total.s())),
        chain(canvas.plain_fail.si("what"), add.s(1)),
        chain(add.s(1, 1), canvas.plain_fail.si("what"), add.s(1)),
        chord([fail.si("what"), add.s(1, 1)], total.s()),
        chord([fail.si("what"), add.s(1, 1)], plain_add.s(1)),
        chord([fail.si("what"), add.s(1, 1)], chain(total.s(), add.s(1))),
        chord([fail.si("what"), add.s(1, 1)], chain(plain_add.s(1), add.s(1))),
        chain(add.s(1, 1), add.s(1, 2, 3, 4)),
    ],
    ids=repr,
)
def test_what_never_starts_has_failed_to_the_chord_around_it(sent, member):
    result = chord([add.s(2, 2), member])(total.s())

    all_done(sent)

    assert TaskRun.objects.get(task_id=result.id).error.startswith("ChordError: Dependency")
    assert {state for state, _ in batches()} == {"ended"}


def test_a_member_that_is_retried_is_not_over(sent):
    result = chord([add.s(1, 1), tasks.count.s(key="k", fail_times=1)])(tasks.give_back.s())

    neural.run_due()
    assert not runs_of(tasks.give_back)

    all_done(sent)
    assert result.state == "SUCCESS"


@pytest.mark.parametrize("made", [chord, lambda header, body: chain(group(header), body)])
def test_an_error_callback_of_the_header_is_called_for_each_dead_member_and_the_body(
    sent, made, monkeypatch
):
    """As Celery's setting task_allow_error_cb_on_chord_header links it."""
    monkeypatch.setitem(current_app.conf.changes, "task_allow_error_cb_on_chord_header", True)
    what = made([fail.si("a"), fail.si("b"), add.si(1, 1)], add.si(1, 1))
    what.link_error(tasks.give_back.si("dead"))
    what.delay()

    all_done(sent)

    assert [run.state for run in runs_of(tasks.give_back)] == ["succeeded"] * 3


@pytest.mark.parametrize("how", ["call", "link"])
def test_a_chord_in_a_body_that_is_a_group_fails_by_its_own_body(sent, how):
    inner = chord([add.si(2, 2)], total.s())
    result = linked(chord([fail.si("a"), add.si(1, 1)], group(inner, total.s())), how)

    all_done(sent)

    assert [each.state for each in result.results] == ["FAILURE"] * 2
    assert Effect.counts() == {f"dead:{each.id}": 1 for each in result.results}


def test_what_follows_a_chord_has_failed_as_soon_as_its_header_has(sent):
    """A caller who has the error of the header finds nothing still pending behind it."""
    first = chord([add.s(1, 1), fail.s("what")], total.s().set(countdown=60))
    result = chain(first, chord([add.s(1), add.s(2)], total.s()))()

    neural.run_due()
    assert [run.state for run in runs_of(total)] == ["pending"]
    assert result.state == "FAILURE"

    all_done(sent)
    assert result.state == "FAILURE"
    assert [run.state for run in runs_of(total)] == ["dead"]


# Revoked


def test_after_a_member_was_revoked_the_body_is_dead(sent):
    result = chord([add.s(1, 1), add.s(2, 2)])(total.s())
    result.parent.results[1].revoke()

    all_done(sent)

    assert "raised cancelled" in TaskRun.objects.get(task_id=result.id).error
    with pytest.raises(TaskRevokedError):
        result.get(timeout=1)
    assert batches() == [("ended", "cancelled")]


def test_when_the_whole_is_revoked_it_ends(sent, monkeypatch):
    monkeypatch.setattr("celery.app.control.Control.revoke", lambda *_, **__: None)
    result = chord([add.s(1, 1), plain_add.s(2, 2), chain(plain_add.s(1, 1), add.s(1))])(total.s())

    result.parent.revoke()
    run_all()

    assert TaskRun.objects.get(task_id=result.id).state == RunState.DEAD
    assert batches() == [("ended", "cancelled")]


def test_a_plain_member_that_its_worker_refuses_has_ended(sent):
    result = chord([add.s(1, 1), plain_add.s(2, 2)])(total.s())
    (message,) = sent
    request = Context(
        id=message.options["task_id"],
        group=message.options["group_id"],
        chord=dict(message.options["chord"]),
    )
    current_app.backend.mark_as_revoked(request.id, "revoked", request=request)
    run_all()

    assert "TaskRevokedError" in TaskRun.objects.get(task_id=result.id).error


def test_an_expired_member_has_ended(sent):
    result = chord([add.s(1, 1).set(expires=-1), add.s(2, 2)])(total.s())

    run_all()

    assert result.state == "FAILURE"


# Called by a plain Celery client, whose result backend counts


@pytest.fixture
def client(monkeypatch, backend):
    """An application that knows nothing of the ledger, and keeps results in the same database."""
    if backend is LedgerOnly:
        pytest.skip("a client without a result backend has no chords")
    app = Celery("client", backend="django-db", set_as_current=False)
    app.finalized = True  # without the tasks that are shared within this process
    return app


def by_name(client, task, *args, **kwargs):
    return client.signature(task.name, args=args, kwargs=kwargs, app=client)


def test_a_plain_clients_chord_is_counted_by_its_result_backend(client, sent):
    """The ledger tells it how its runs ended."""
    header = [by_name(client, add, 1, 1), by_name(client, plain_add, 2, 2)]
    header += [by_name(client, add, 3, 3)]
    chord(header, app=client)(by_name(client, tasks.give_back))

    all_done(sent)

    (body,) = runs_of(tasks.give_back)
    assert body.result == [[[2, 4, 6]], {}]
    assert not ChordCounter.objects.exists()
    assert not Batch.objects.exists()


def test_a_plain_clients_chord_fails_with_a_dead_member(client, sent):
    header = [by_name(client, add, 1, 1), by_name(client, fail, "what")]
    errors = by_name(client, canvas.plain_note, "dead")
    result = chord(header, app=client)(by_name(client, total).on_error(errors))

    all_done(sent)

    assert not runs_of(total)
    assert Effect.counts() == {f"dead:{result.id}": 1}
    assert not ChordCounter.objects.exists()


def test_a_plain_clients_chord_fails_with_a_chain_that_dies(client, sent):
    row = chain(by_name(client, fail, "what"), by_name(client, add, 1), app=client)
    errors = by_name(client, canvas.plain_note, "dead")
    chord([row, by_name(client, add, 1, 1)], app=client)(by_name(client, total).on_error(errors))

    all_done(sent)

    assert len(Effect.counts()) == 1


def test_a_plain_clients_chords_may_be_nested(client, sent):
    inner = chord([by_name(client, add, 1, 1)], by_name(client, total), app=client)
    chord([inner, by_name(client, add, 3, 3)], app=client)(by_name(client, tasks.give_back))

    all_done(sent)

    (body,) = runs_of(tasks.give_back)
    assert body.result == [[[2, 6]], {}]


def test_a_plain_clients_chord_fails_with_a_run_that_is_revoked(client, sent):
    header = [by_name(client, add, 1, 1), by_name(client, plain_add, 2, 2)]
    later = by_name(client, tasks.count, key="k", fail_times=1)
    errors = by_name(client, canvas.plain_note, "dead")
    chord([*header, later], app=client)(by_name(client, total).on_error(errors))
    work_off(sent)

    current_app.control.revoke(TaskRun.objects.get(task="probe.count").task_id)
    all_done(sent)

    assert len(Effect.counts()) == 1


# Applications that call the members of a group one by one


def test_a_plain_application_with_the_ledgers_backend_has_the_same_chords(sent, monkeypatch):
    monkeypatch.delattr(LedgerCelery, "records_together")
    monkeypatch.setattr(LedgerCelery, "producer_or_acquire", Celery.producer_or_acquire)
    inner = chord([add.s(1, 1), plain_add.s(2, 2)], total.s())
    row = chain(add.s(1, 1), add.s(1))
    result = chord([add.s(3, 3), inner, row, plain_add.s(0, 0)])(tasks.give_back.s())

    all_done(sent)

    assert result.get(timeout=1) == [[[6, 6, 3, 0]], {}]


def test_a_report_is_kept_though_the_member_is_recorded_at_the_same_moment(monkeypatch):
    """As if the transaction that called the chord had committed between two statements."""
    create = QuerySet.bulk_create

    def create_late(self, rows, **options):
        monkeypatch.setattr(QuerySet, "bulk_create", create)
        AwaitedMember.objects.create(batch_key="g", task_id="t")
        return create(self, rows, **options)

    monkeypatch.setattr(QuerySet, "bulk_create", create_late)

    awaited.report("g", "t", 0, AwaitedState.SUCCEEDED, 7)

    assert list(AwaitedMember.objects.values_list("state", "value")) == [("succeeded", 7)]


# A worker that does not load neural


def awaited_for(age, task_id="plain"):
    """A chord of one plain member, which was sent so long ago."""
    batch = recording.record(
        Batch(batch_id="group", kind="chord", state="closed", options={"body": dict(total.s())}),
        awaited=[AwaitedMember(task_id=task_id, group_index=0)],
    )
    AwaitedMember.objects.update(created_at=Now() - age)
    return batch


@pytest.mark.parametrize(
    ("result", "state", "outcome"),
    [(7, "SUCCESS", "succeeded"), (ValueError("boom"), "FAILURE", "failed")],
)
def test_a_member_whose_worker_does_not_report_is_found_in_the_result_backend(
    result, state, outcome, backend, caplog
):
    awaited_for(leading.PATIENCE * 2)
    current_app.backend.store_result("plain", result, state)

    for _turn in range(2):
        leading.ask_all()

    if backend is LedgerOnly:
        assert batches() == [("closed", "")]
    else:
        assert batches() == [("ended", outcome)]
        assert "event=member_not_reported batch=group task=plain" in caplog.text
        assert "its worker does not load neural" in caplog.text


def test_a_member_has_time_to_report_by_itself(backend, monkeypatch):
    awaited_for(leading.PATIENCE / 2)
    monkeypatch.setattr(ports, "report_from_results", lambda members: pytest.fail("asked"))

    leading.ask_all()


def test_a_member_that_goes_on_is_waited_for(backend):
    awaited_for(leading.PATIENCE * 2)

    leading.ask_all()

    assert batches() == [("closed", "")]


# Error callbacks of chords in chords


def linked(chord_, how):
    """The chord with an error callback, linked in one of Celery's two ways, after all is done."""
    callback = canvas.plain_note.s("dead")
    if how == "call":
        return chord_.apply_async(link_error=callback)
    with pytest.warns(CPendingDeprecationWarning):
        chord_.link_error(callback)
    return chord_.apply_async()


@pytest.mark.parametrize("how", ["call", "link"])
@pytest.mark.parametrize(
    "inner_body", [total.s(), plain_add.s(1), chain(total.s(), add.s(1))], ids=repr
)
@pytest.mark.parametrize("failing", [fail, canvas.plain_fail])
def test_a_chord_in_a_header_does_not_call_the_outer_error_callback_besides(
    sent, failing, inner_body, how
):
    inner = chord([failing.s("what"), add.s(1, 1)], inner_body)
    result = linked(chord([inner, add.s(2, 2)], total.s()), how)

    all_done(sent)

    assert Effect.counts() == {f"dead:{result.id}": 1}


def test_a_chord_in_a_header_calls_its_own_error_callback(sent):
    inner_body = total.s().on_error(canvas.plain_note.s("inner"))
    inner = chord([fail.s("what"), add.s(1, 1)], inner_body)
    linked(chord([inner, add.s(2, 2)], total.s()), "call")

    all_done(sent)

    assert sorted(key.partition(":")[0] for key in Effect.counts()) == ["dead", "inner"]


@pytest.mark.parametrize("how", ["call", "link"])
@pytest.mark.parametrize("fails_in", ["outer", "inner"])
def test_a_body_that_is_a_chord_calls_the_error_callback_once(sent, fails_in, how):
    first, second = (
        (fail.si("what"), total.s()) if fails_in == "outer" else (add.s(1, 1), fail.si())
    )
    result = linked(chord([first, add.s(1, 1)], chord([second, total.s()], total.s())), how)

    all_done(sent)

    assert Effect.counts() == {f"dead:{result.id}": 1}


@pytest.mark.parametrize("how", ["call", "link"])
@pytest.mark.parametrize("failing", [fail, canvas.plain_fail])
def test_each_task_of_a_body_that_is_a_group_has_the_members_own_error(sent, failing, how, backend):
    body = group(total.s(), add.s(1))
    result = linked(chord([failing.s("what"), add.s(1, 1)], body), how)

    all_done(sent)

    assert Effect.counts() == {f"dead:{each.id}": 1 for each in result.results}
    if failing is fail or backend is DatabaseResults:
        with pytest.raises(Failing, match="what"):
            result.get(timeout=1)
    assert {run.error.partition(":")[0] for run in runs_of(total)} == {"ChordError"}


def test_what_is_kept_of_a_chord_is_as_long_as_what_is_in_it(sent):
    """Celery writes the body into each task of the header, and so chords in chords ever again."""

    def length(levels):
        following = plain_add.si(1, 1)
        for _ in range(levels):
            following = chord([plain_add.si(1, 1), plain_add.si(2, 2)], following)
        add.apply_async((1, 1), link=following)
        run_all()
        return len(to_json(TaskRun.objects.filter(task=SEND_TASK).latest("pk").args, what="it"))

    assert length(8) < 3 * length(4)
