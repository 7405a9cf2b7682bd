"""A canvas that is called again does its work again, as in Celery, each time with results of its
own; an id that its caller has chosen stays that of one run."""

from collections import Counter

import pytest
from celery import chain, chord, current_app, group, signature
from celery.canvas import _chain
from kombu.serialization import dumps, loads

import neural
from neural.celeryapp.frozen import Frozen
from neural.celeryapp.nested import walk
from neural.celeryapp.results import DatabaseResults
from neural.kit.stored_json import from_json, to_json
from neural.ledger.record import TaskIdTaken
from neural.models import NeuralEvent, RunState, TaskRun
from neural.runs.models.new_run import is_frozen
from tests.probe.canvas import add, note, plain_add, total
from tests.probe.models import Effect
from tests.probe.shapes import SHAPES
from tests.unit.celeryapp.canvas import all_done, ledger_task, record_plain_messages, runs_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(fake_broker, monkeypatch):
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(app=current_app))
    return record_plain_messages(monkeypatch)


def done(sent, calls):
    """What these calls with a number have left behind, their values, and whether the results are
    each its own."""
    Effect.objects.all().delete()
    results = [call((value,)) for call, value in calls]
    all_done(sent)
    ids = {result.id for result in results}
    return Counter(Effect.counts()), [each.get(timeout=1) for each in results], len(ids)


@pytest.mark.parametrize("frozen", [False, True], ids=["", "frozen"])
@pytest.mark.parametrize("shape", SHAPES)
def test_called_with_equal_and_with_other_arguments_it_is_done_each_time(sent, shape, frozen):
    values = (1, 1, 2)
    anew = done(sent, [(SHAPES[shape]().apply_async, value) for value in values])
    canvas = SHAPES[shape]()
    promised = canvas.freeze() if frozen else None

    again = done(sent, [(canvas.apply_async, value) for value in values])

    assert again == anew
    assert anew[2] == 3
    assert not TaskRun.objects.exclude(state=RunState.SUCCEEDED).exists()
    if promised:  # to the first call
        assert promised.get(timeout=1) == again[1][0]


def test_a_pipeline_at_module_level_is_ordinary_celery(sent):
    pipeline = add.s(1) | add.s(10)

    results = [pipeline(order) for order in (1, 2, 2)]
    all_done(sent)

    assert [result.get(timeout=1) for result in results] == [12, 13, 13]
    assert len(runs_of(add)) == 6


def test_two_threads_call_a_chain_at_the_same_moment(sent, monkeypatch):
    """The one sees nothing of the ids of the other, at whatever step that is."""
    pipeline, others = add.s(1) | add.s(10), []
    prepare_steps = _chain.prepare_steps

    def while_another_calls(self, *args, **options):
        prepared = prepare_steps(self, *args, **options)
        monkeypatch.setattr(_chain, "prepare_steps", prepare_steps)
        if not others:
            others.append(pipeline(2))
        return prepared

    monkeypatch.setattr(_chain, "prepare_steps", while_another_calls)
    result = pipeline(1)
    all_done(sent)

    assert [each.get(timeout=1) for each in (result, *others)] == [12, 13]


# What is frozen


def test_a_call_that_failed_has_used_nothing(sent):
    task = add.s(1).set(queue="hihg")
    promised = task.freeze()
    with pytest.raises(ValueError, match="queue"):
        task.apply_async((1,))

    task.set(queue="default").apply_async((1,))

    assert [run.task_id for run in runs_of(add)] == [promised.id]


def test_a_frozen_task_may_stand_twice_in_a_group(sent):
    task = add.s(1, 1)
    task.freeze()

    group(task, task)()

    assert len({run.task_id for run in runs_of(add)}) == 2


def test_a_frozen_task_of_several_groups_has_its_own_result_in_each(sent):
    task, other = add.s(1), add.s(10)
    promised = [task.freeze().id, other.freeze().id]

    groups = [group(task), group(task), group(task, other)]
    results = [each(number) for number, each in enumerate(groups)]
    all_done(sent)

    assert [each.get(timeout=1) for each in results] == [[1], [2], [3, 12]]
    assert [results[0][0].id, results[2][1].id] == promised


@pytest.mark.parametrize(
    "around",
    [
        lambda task: chain(add.s(1), task),
        lambda task: chain(task, add.s(1)),
        lambda task: chord([task, add.s(1)], total.s()),
        lambda task: chord([add.s(1)], chain(total.s(), task)),
    ],
    ids=["the last of a chain", "the first", "of a header", "of a body"],
)
def test_so_it_has_in_several_chains_and_chords(sent, around):
    task = add.s(1)
    task.freeze()

    results = [around(task).apply_async((number,)) for number in (1, 5)]
    expected = [around(add.s(1)).apply_async((number,)) for number in (1, 5)]
    all_done(sent)

    first, second = [each.get(timeout=1) for each in results]
    assert first != second
    assert [first, second] == [each.get(timeout=1) for each in expected]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frozen_link_of_two_runs_starts_for_both(sent, shape):
    link = SHAPES[shape]()
    link.freeze()
    for number in (1, 2):
        add.apply_async((number, 0), link=link)
        all_done(sent)
    linked = Counter(Effect.counts())

    assert linked == done(sent, [(SHAPES[shape]().apply_async, number) for number in (1, 2)])[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frozen_canvas_that_was_handed_on_as_json_may_be_called_twice(sent, shape):
    canvas = SHAPES[shape]()
    canvas.freeze()
    text = to_json(dict(canvas), what="a canvas")

    def called():
        return signature(from_json(text), app=current_app).apply_async

    first, second = (done(sent, [(called(), number)]) for number in (1, 2))

    assert first == done(sent, [(SHAPES[shape]().apply_async, 1)])
    assert second == done(sent, [(SHAPES[shape]().apply_async, 2)])
    assert not TaskRun.objects.dead()


def test_what_a_run_calls_again_is_called_again(sent):
    task = add.s(1)
    task.freeze()

    def call():
        return [task.apply_async((number,)).id for number in (1, 1, 2)]

    with ledger_task(call) as caller:
        caller.delay()
        all_done(sent)

    assert [run.args for run in runs_of(add)] == [[1, 1], [1, 1], [2, 1]]


def test_a_run_that_is_repeated_sends_what_it_was_given_once(sent):
    """It has read a frozen signature among its arguments."""
    frozen = note.s("once")
    frozen.freeze()

    def forward(given):
        signature(given, app=current_app).apply_async((1,))
        raise KeyError

    with ledger_task(forward) as caller:
        caller.delay(dict(frozen))
        all_done(sent)

    assert Effect.counts() == {"once:1": 1}


# Ids that a caller has chosen


@pytest.mark.parametrize("frozen", [False, True])
def test_a_chosen_id_in_a_canvas_is_one_run(sent, frozen):
    key = "0191e4b0-6d2f-4f5e-8f39-2e7656ab4eb3"  # as uuid4() makes it
    canvas = add.si(1, 1) | note.s("receipt").set(task_id=key)
    if frozen:
        canvas.freeze()

    results = [canvas() for _ in range(2)]
    all_done(sent)

    assert [result.id for result in results] == [key, key]
    assert Effect.counts() == {"receipt:2": 1}
    assert len(runs_of(add)) == 2


def test_a_chosen_id_of_other_work_is_refused(sent):
    task = add.s(1).set(task_id="mine")
    task.apply_async((1,))

    with pytest.raises(TaskIdTaken):
        task.apply_async((2,))


def test_a_chosen_id_of_a_whole_chain_or_chord_is_one_run(sent):
    for canvas in (
        chain(add.si(1, 1), note.s("chain")).set(task_id="chain"),
        chord([add.s(1, 1)], note.s("chord").set(task_id="body")),
    ):
        for _ in range(2):
            canvas.apply_async()
    all_done(sent)

    assert Effect.counts() == {"chain:2": 1, "chord:[2]": 1}


# Batches


@pytest.mark.parametrize(
    "begins", [add.si(1, 1), plain_add.si(1, 1), chain(add.si(1, 1), plain_add.s(1))], ids=repr
)
@pytest.mark.parametrize("as_json", [False, True], ids=["", "json"])
def test_what_was_called_before_is_a_member_each_time_that_it_is_added(sent, begins, as_json):
    pipeline = begins | note.s("receipt")
    if as_json:
        pipeline.freeze()
    text = to_json(dict(pipeline), what="a canvas")

    def the_same():
        return signature(from_json(text), app=current_app) if as_json else pipeline

    the_same().apply_async()
    all_done(sent)
    with neural.batch() as batch:
        for _ in range(2):
            batch.add(the_same())
    all_done(sent)

    assert batch.counts() == {"succeeded": 2}
    assert sum(Effect.counts().values()) == 3


def test_so_is_a_frozen_task_whose_promised_id_is_that_of_the_first(sent):
    task = note.s(1, "n")
    promised = task.freeze().id

    with neural.batch() as batch:
        batch.add_all([task, task])
    all_done(sent)

    assert batch.counts() == {"succeeded": 2}
    assert Effect.counts() == {"n:1": 2}
    assert promised in {run.task_id for run in runs_of(note)}


def test_a_run_that_is_repeated_adds_once_what_was_called_before(sent):
    pipeline = add.si(1, 1) | note.s("receipt")
    pipeline()

    def maker():
        with neural.batch() as batch:
            batch.add(pipeline)
        raise KeyError

    with ledger_task(maker) as task:
        task.delay()
        all_done(sent)

    assert Effect.counts() == {"receipt:2": 2}


# Repeated, not called again


def test_a_chain_whose_plain_task_comes_twice_goes_on_once(sent):
    chain(plain_add.s(1, 1), note.s("n"))()
    sent.append(sent[0])

    all_done(sent)

    assert Effect.counts() == {"n:2": 1}


def test_a_message_that_comes_twice_is_one_run_though_freezing_made_its_id(sent):
    frozen = add.s(1, 1).freeze().id
    for _ in range(2):
        by_message(add, frozen, [1, 1])

    assert [run.task_id for run in runs_of(add)] == [frozen]


def by_message(task, task_id, args, **request):
    """Take the message of a plain client, which is recorded."""
    delivered = {"delivery_info": {"routing_key": "default"}, "called_directly": False}
    task.push_request(id=task_id, args=args, kwargs={}, **delivered, **request)
    try:
        task.accept_foreign(args, {})
    finally:
        task.pop_request()


# Plain clients, in which nobody replaces ids


KEY = "c334c25c-802c-4f5e-8f39-2e7656ab4eb3"
"""Left in a chain by the client's first call."""


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (note.s("receipt"), ["receipt:1", "receipt:2"]),
        (chain(add.s(1), note.s("receipt")), ["receipt:2", "receipt:3"]),
        (group(note.s("receipt")), ["receipt:1", "receipt:2"]),
        (chord([add.s(1)], note.s("receipt")), ["receipt:[2]", "receipt:[3]"]),
        (chord([note.s("receipt")], total.si([1])), ["receipt:1", "receipt:2"]),
    ],
    ids=["a task", "a chain", "a group", "a chord's body", "a chord's header"],
)
def test_a_plain_clients_chain_that_is_called_twice_is_done_twice(sent, last, expected):
    given = from_json(to_json(dict(last), what="a signature"))
    (receipt,) = [each for each in walk(given) if each["task"] == note.name]
    receipt["options"]["task_id"] = KEY

    for number, root in enumerate(["5e9a0e5c-51a1-4b3e-9a55-111111111111", "another root"]):
        by_message(add, root, [number, 1], chain=[given], root_id=root)
        by_message(add, root, [number, 1], chain=[given], root_id=root)
        all_done(sent)

    assert Effect.counts() == dict.fromkeys(expected, 1)


def test_so_is_one_of_which_a_ledger_task_is_called_by_a_plain_worker(sent):
    for root in ("one", "one", "another"):
        by_message(note, KEY, [1, "receipt"], root_id=root)
    all_done(sent)

    assert [run.state for run in runs_of(note)] == [RunState.SUCCEEDED] * 2


def test_so_is_one_that_begins_with_a_plain_task(sent):
    for root in ("one", "another"):
        last = dict(note.s("receipt").set(task_id=KEY))
        by_message(add, f"{root} second", [1, 1], chain=[last], root_id=root, parent_id=root)
    all_done(sent)

    assert [run.state for run in runs_of(note)] == [RunState.SUCCEEDED] * 2


@pytest.mark.parametrize("parent", ["requested by a message", "that follows one"])
@pytest.mark.parametrize(
    "call",
    [
        lambda receipt: receipt.apply_async(),
        lambda receipt: chain(add.si(1, 1), receipt)(),
        lambda receipt: chord([add.si(1, 1)], receipt)(),
    ],
    ids=["alone", "in a chain", "in a chord"],
)
def test_an_id_that_a_run_of_a_plain_client_has_chosen_is_one_run(sent, parent, call):
    """As of a receipt: it looks like one that Celery has made."""

    def writes_receipt(number=0):
        call(note.si(1, "receipt").set(task_id=KEY))

    with ledger_task(writes_receipt) as task:
        for root in ("one", "another"):
            if parent == "requested by a message":
                by_message(task, root, [1], root_id=root)
            else:
                by_message(add, root, [1, 1], chain=[dict(task.s())], root_id=root)
        all_done(sent)

    assert Effect.counts() == {"receipt:1": 1}


# Events


def test_an_event_in_a_chain_that_is_called_with_other_data_is_another_event(sent):
    def event(number):
        what = {"event_type": "probe.counted", "event_source": "s", "store_id": "S1"}
        return {**what, "event_id": str(number), "data": {"key": str(number)}}

    process = neural.tasks.process_neural_event
    frozen = process.s(event_type="probe.counted", event_source="s", store_id="S1")
    frozen.freeze()
    for number in (1, 2):
        frozen.apply_async(kwargs=event(number))
        text = signature(from_json(to_json(dict(frozen), what="a canvas")), app=current_app)
        text.apply_async(kwargs=event(number + 10))
    all_done(sent)

    assert NeuralEvent.objects.count() == 4
    assert sum(Effect.counts().values()) == 4


# The ids


def test_celerys_freezing_makes_ids_of_a_form_that_is_known():
    task = add.s(1, 1)

    assert is_frozen(task.freeze().id)
    assert is_frozen(str(Frozen(task.id)))
    assert not is_frozen(add.s(1, 1).set(task_id="mine").freeze().id)
    assert not any(map(is_frozen, (None, "", "8ce1", 7)))


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
def test_a_plain_worker_reads_them_as_plain_texts(serializer):
    canvas = add.s(1, 1) | add.s(1)
    task_id = canvas.freeze().id

    kind, encoding, message = dumps({"chain": dict(canvas.tasks[1])}, serializer=serializer)

    (given,) = loads(message, kind, encoding, accept=[kind]).values()
    assert given["options"]["task_id"] == task_id
    assert type(given["options"]["task_id"]) is str
    assert b"neural" not in (message if isinstance(message, bytes) else message.encode())
