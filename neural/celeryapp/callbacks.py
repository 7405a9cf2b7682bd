"""Starts what follows a run that has ended: its links, the rest of its chain, its error callbacks.

They are recorded in the transaction of the outcome, so none is lost or doubled. A follower that
cannot be recorded there as a ledger task (a plain Celery task, a chord, a call that is refused)
becomes a run of ``send_signature``, which starts it from a worker. That run is retried until the
follower is sent, and is dead, for everybody to see, if it cannot be sent.
"""

import functools
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from celery import current_app, signature
from celery.utils.functional import arity_greater
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from neural.batches import awaited
from neural.batches.models import AS_RUNS
from neural.batches.ports import Outcome
from neural.celeryapp import chords, unstarted
from neural.celeryapp.call import signatures
from neural.celeryapp.celery_view import SEND_TASK, context_of, failure_of
from neural.celeryapp.nested import ids_in, members_in, options_of, walk
from neural.kit.stored_json import CANVAS_BYTES, NotStorable, from_json, plain, to_json
from neural.ledger import record
from neural.ledger.ports import Ended
from neural.ledger.record import without_followers
from neural.ledger.work import REPLACED_BY, Replaced, WorkSource
from neural.models import AwaitedMember, AwaitedState, Batch, RunState, TaskRun
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE
from neural.runs.models.new_run import new_task_id

logger = logging.getLogger(__name__)

ERROR_CALLBACK_TASK = "neural.tasks.call_error_callback"
COUNT_TASK = "neural.tasks.count_in_chord"
"""The task whose run tells a result backend that a member of a chord has ended."""
_AWAITED = {as_run: state for state, as_run in AS_RUNS.items()} | {
    "discarded": AwaitedState.REVOKED
}
_LINKS = ("link", "link_error")
_NOT_FOR_MEMBERS = {"task_id", "group_id", "group_index", "parent_id", "root_id", *_LINKS}
"""A group's options that are its own, or are added to those of its members."""


def follow(ended: Sequence[Ended]) -> None:
    """Start what the options of runs ask for, now that they have ended."""
    for run, state, _kind, value in ended:
        if isinstance(value, Replaced):
            _go_on(run, value.following)
            continue
        if not run.options:
            continue
        _tell_its_chord(run, state, value)
        if state == RunState.SUCCEEDED:
            _follow_success(run, value)
        elif state == RunState.DEAD:
            _follow_death(run)


def _go_on(run: TaskRun, following: Any) -> None:
    """Record what a run is replaced by: its end has this run's task id, and its place in a batch.
    This run gets another id, and nothing follows it."""
    origin = run.root_id
    options = {**without_followers(run.options), "root_id": origin, REPLACED_BY: run.task_id}
    if run.batch_id and (batch := Batch.objects.filter(pk=run.batch_id).first()):
        AwaitedMember.objects.create(
            batch_key=batch.batch_id,
            task_id=run.task_id,
            group_index=run.options.get("group_index"),
            led_by=sorted({*ids_in(following, with_headers=False)} - {run.task_id}),
        )
        following["options"] |= {"chord": chords.MARK, "group_id": batch.batch_id}
    run.task_id, run.batch_id = new_task_id(), None
    changes = {"task_id": run.task_id, "batch": None, "options": options}
    TaskRun.objects.filter(pk=run.pk).update(**changes)
    of_store = {"store": run.store_id} if run.store_id and begins_on_the_ledger(following) else {}
    start(Origin(run.task_id, origin), following, (), of_store)


def _tell_its_chord(run: TaskRun, state: RunState, value: Any) -> None:
    """Tell a batch that awaits this run, or the result backend that counts its chord, of its end.

    (A batch of which it is a member looks at the run itself.)
    """
    if batch_id := run.options.get(chords.AWAITED_BY):
        error = "" if state == RunState.SUCCEEDED else _error_of(run)
        kept = plain(value, what=f"the result of {run.task_id}")
        awaited.report(batch_id, run.task_id, None, _AWAITED[state], kept, error)
    # What is discarded has been counted when it died; and Celery counts nothing that is ignored.
    if run.options.get("chord") and state != RunState.DISCARDED:
        _ask(COUNT_TASK, [{"task_id": run.task_id}, ""], _origin(run))


def _error_of(run: TaskRun) -> str:
    """The error of a run that has just been settled."""
    return str(TaskRun.objects.values_list("error", flat=True).get(pk=run.pk))


def _follow_success(run: TaskRun, value: Any) -> None:
    """Start the links and the next task of the chain, each with the run's value."""
    for link in signatures(run, "link"):
        start(run, link, (value,), {})
    rest = list(signatures(run, "chain"))
    if rest:  # Celery keeps a chain with its next task last
        following = rest.pop()
        start(run, following, (value,), {"chain": rest} if rest else {})


def _follow_death(run: TaskRun) -> None:
    """Start the error callbacks.

    Callbacks of one argument are started with the task id, as Celery does. Those of three (request,
    error, traceback) are called by a run of ``call_error_callback``.
    """
    for callback in signatures(run, "link_error"):
        try:
            with transaction.atomic():
                in_header = chords.HEADER in run.options
                if in_header and callback in _around(run.batch_id, _unstarted(run)):
                    continue
                if _takes_three(callback):
                    _ask(ERROR_CALLBACK_TASK, [callback, run.task_id], _origin(run))
                else:
                    start(run, callback, (run.task_id,), {})
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the run's death must be recorded, whatever else cannot be
            logger.exception("event=error_callback_lost run=%s", run.task_id)


def _around(batch_pk: int | None, rest: Any) -> Sequence[Any]:
    """The error callbacks of the chord in whose header a chord is of which this body's run is a
    member, or one of the ``rest``. Celery links those to both bodies, and the outer one calls
    them."""
    keys = [options["group_id"] for options in members_in(rest)]
    around = Batch.objects.filter(Q(pk=batch_pk) | Q(batch_id__in=keys))
    bodies = around.values_list("options__body__options__link_error", flat=True)
    return [from_json(json.dumps(each)) for links in bodies for each in links or ()]


def fail_unstarted(ended: Sequence[Ended]) -> None:
    """Fail what dead runs should have started, themselves or by the rest of their chain: it would
    be awaited for ever, by its caller and by the chords and batches of which it is a member."""
    for run, state, *_ in ended:
        if state != RunState.DEAD or not (run.options.get("chain") or run.task == SEND_TASK):
            continue
        never = _unstarted(run)
        unstarted.note(ids_in(never), led_by=run)
        for options in members_in(never):
            error = _error_of(run)
            if chords.is_counted(options["chord"]):
                awaited.fail(options["group_id"], options["task_id"], error)
            else:
                with suppress(NotStorable):  # the run's death must be recorded
                    _ask(COUNT_TASK, [options, error], _origin(run))


def _unstarted(run: TaskRun) -> list[Any]:
    """The signatures that a dead run was to start, as far as a forged message lets them be any."""
    match run.args:
        case [dict(given), _, dict(options)] if run.task == SEND_TASK:
            return [{**given, "options": {**options_of(given), **options}}]
    return [run.options.get("chain")]


# The body of a chord


def start_body(batch: Batch, outcome: Outcome) -> None:
    """Record the body of a chord whose header has ended.

    Its run gets the results when it is executed, and is dead then if a member did not succeed.
    """
    stored = batch.options.get("body")
    if not stored or outcome == Outcome.FIRST_DEATH:
        return
    body = from_json(json.dumps(stored))
    if outcome != Outcome.SUCCEEDED:
        body = _by_its_body(body)
    members = batch.runs.order_by("state", "-pk").only("task_id", "options")
    parent: TaskRun | Origin | None = members.first()
    if parent is None:  # as of a header of chains
        others = AwaitedMember.objects.filter(batch_key=batch.batch_id).order_by("pk")
        member = others.values_list("task_id", flat=True).first() or batch.batch_id
        parent = Origin(member, (body.get("options") or {}).get("root_id") or member)
    if outcome != Outcome.SUCCEEDED and isinstance(parent, TaskRun):
        unstarted.note(ids_in(body), led_by=parent)  # known at once, before its run is dead, too
    start(parent, body, (), {chords.HEADER: batch.pk})
    if outcome == Outcome.SUCCEEDED:  # its body is dead if the chord was given up before
        mine = TaskRun.objects.dead().filter(task_id__in=list(filter(None, ids_in(body))))
        mine.filter(options__header__batch=batch.pk).retry()


def _by_its_body(following: Any) -> Any:
    """What fails in place of a signature: a chord fails as a whole, by its own body."""
    while following.get("task") == "celery.chord":
        links = options_of(following).get("link_error") or ()
        following = signature(following["kwargs"]["body"], app=current_app)
        following.extend_list_option("link_error", links)
    return following


def _header(following: Any, batch_pk: int) -> dict[str, Any]:
    """The option that lets a body have its header's results, unless it is immutable."""
    while following.get("task") == "celery.chain" and not following.get("immutable"):
        following = following["kwargs"]["tasks"][0]
    return {"batch": batch_pk, "values": not following.get("immutable")}


class Origin(NamedTuple):
    """What is the parent of a follower if no run is."""

    task_id: str
    root_id: str


def _origin(run: TaskRun | Origin) -> dict[str, Any]:
    return {"parent_id": run.task_id, "root_id": run.root_id}


def start(
    run: TaskRun | Origin,
    given: Mapping[str, Any],
    args: tuple[Any, ...],
    options: Mapping[str, Any],
) -> None:
    """Record a follower of a run; one that is refused becomes a run that says why."""
    options = {**options, **_origin(run)}
    try:
        with transaction.atomic():
            _begin(signature(dict(given), app=current_app), args, options)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 (the run recorded instead shows it)
        logger.warning("event=follower_refused run=%s reason=%r", run.task_id, str(error))
        _send(given, args, options)


def _begin(following: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Record a follower, or a run that sends it. No message leaves before the commit."""
    if is_group(following):
        own = following.get("options") or {}
        shared = {name: own[name] for name in own.keys() - _NOT_FOR_MEMBERS}
        for member in members(following):
            _begin(member, args, {**shared, **options})
    elif begins_on_the_ledger(following, with_header=chords.HEADER in options):
        if batch_pk := options.get(chords.HEADER):
            options = {**options, chords.HEADER: _header(following, batch_pk)}
        following.apply_async(args, **options)
    else:
        _send(following, args, options)


def members(group: Any) -> Iterator[Any]:
    """Copies of a group's members, each with the group's links beside its own."""
    own = group.get("options") or {}
    for each in group.tasks:
        member = signature(each, app=current_app).clone()
        for name in _LINKS:
            if own.get(name):
                member.extend_list_option(name, own[name])
        yield member


def is_group(following: Mapping[str, Any]) -> bool:
    """Whether a signature is a group."""
    return following.get("task") == "celery.group"


def begins_on_the_ledger(following: Any, *, with_header: bool = False) -> bool:
    """Whether what a signature starts first is a ledger task; one whose run gets the results of a
    chord's header, if it says so (that of an event does not)."""
    while following.get("task") == "celery.chain":
        following = signature(following["kwargs"]["tasks"][0], app=current_app)
    task: Any = current_app.tasks.get(following.get("task"))
    is_on_ledger = isinstance(task, WorkSource)
    return is_on_ledger and (not with_header or bool(task.is_one_run))


def _send(following: Mapping[str, Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Record a run that sends this task. The task's id is set here: sent twice, it is one task.

    ``result.children`` also knows the task by this id. So are the ids of a chord and its header,
    unless they would make it too large to be kept, or Celery cannot make them.
    """
    following, more = dict(following), [list(args), dict(options)]
    if following.get("task") == "celery.chord":
        if with_ids := _with_ids(following):
            with suppress(NotStorable):
                _ask(SEND_TASK, [with_ids, *more], options)
                return
    elif not following.get("subtask_type"):
        own = following.get("options") or {}
        following["options"] = {"task_id": str(uuid.uuid4()), **own}
    _ask(SEND_TASK, [following, *more], options)


def _with_ids(chord: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A copy of a chord with the ids of its tasks; None if it holds what no chord may.

    Celery also writes the whole body into each task of the header, and does so again when it sends
    them: it is left out, in chords within it, too, where each level would make it four times as
    long. What the body itself is followed by, as a member of a chord around this one, stays.
    """
    try:
        text = to_json(chord, what="a chord", most_bytes=CANVAS_BYTES)
        copy: Any = signature(from_json(text), app=current_app)
        copy.freeze()
        for each in walk(copy):
            if each.get("task") == "celery.chord":
                for member in walk(each["kwargs"]["header"], with_headers=False):
                    options_of(member).pop("chord", None)
    except Exception:  # noqa: BLE001 (the run that sends it says what is wrong)
        return None
    return copy


def send(following: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Start what ``send_signature`` was given. Returns the id of its result; a group has none.

    Of a group, either all members are recorded or none: after a refusal in the middle, each attempt
    would start the first ones again. Nothing else is sent within a transaction: a chord's messages
    leave at once, and a worker must find the row that counts its header when it has done them.

    The body of a chord gets its header's results; if a member did not succeed, it fails as one that
    a result backend starts, and :class:`~neural.celeryapp.chords.ChordError` is raised.
    """
    what = signature(dict(following), app=current_app)
    if is_group(what):
        with transaction.atomic():
            _begin(what, tuple(args), options)
        return ""
    options = dict(options)
    if batch_pk := options.pop(chords.HEADER, None):
        try:
            args = [*chords.values(_header(what, batch_pk)), *args]
        except chords.ChordError as error:
            what = _by_its_body(what)
            theirs = _around(None, [what])
            links = what.options.get("link_error") or ()
            what.options["link_error"] = [each for each in links if each not in theirs]
            current_app.backend.chord_error_from_stack(what, exc=error)
            raise
    return str(what.apply_async(tuple(args), **options).id)


def call_error_callback(callback: Mapping[str, Any], task_id: str) -> None:
    """Call a ``link_error`` callback of three arguments with the ledger's data of the dead run.

    ``request`` has the run's id, task, args, kwargs and retries; ``error`` is the exception as
    :class:`AsyncResult` gives it, ``traceback`` its text.
    """
    run = TaskRun.objects.get(task_id=task_id)
    failure, traceback = failure_of(run)
    error = current_app.backend.exception_to_python(failure)
    signature(dict(callback), app=current_app)(context_of(run), error, traceback)


def _ask(task: str, args: Sequence[Any], origin: Mapping[str, Any]) -> None:
    record.enqueue(
        task=task,
        args=args,
        kwargs={},
        queue=DEFAULT_QUEUE,
        priority=DEFAULT_PRIORITY,
        options={"root_id": origin["root_id"]},
        parent=origin["parent_id"],
        most_bytes=CANVAS_BYTES,
    )


def _takes_three(callback: Mapping[str, Any]) -> bool:
    """Whether a callback takes three arguments: by Celery's rule, those that its signature leaves
    open.

    A task that is not known here is started with the task id.
    """
    task = current_app.tasks.get(callback["task"])
    header = getattr(task, "__header__", None)
    if header is None or callback.get("subtask_type") or callback.get("immutable"):
        return False
    given, named = callback.get("args") or (), callback.get("kwargs") or {}
    left = functools.partial(header, *given, **named) if given or named else header
    try:
        return bool(arity_greater(left, 1))
    except TypeError:  # too many arguments: it is started, and refused there
        return False
