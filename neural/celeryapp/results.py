"""Result backends that answer for ledger tasks from the ledger.

``AsyncResult`` of a ledger task needs no second history: its state, value and traceback are in the
run and its attempts. Results of plain tasks are stored and read as usual.
:class:`neural.LedgerCelery` puts the ledger before whatever ``result_backend`` names. With a plain
Celery application, name one of these: ``neural.celeryapp.results.DatabaseResults``
(django-celery-results), ``neural.celeryapp.results.RedisResults+redis://host/2``, or
``neural.celeryapp.results.LedgerOnly`` if results of plain tasks are not kept.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Any

from celery import maybe_signature, states
from celery.backends.base import (
    BaseBackend,
    BaseKeyValueStoreBackend,
    DisabledBackend,
    SyncBackendMixin,
)
from celery.backends.redis import RedisBackend
from celery.exceptions import TimeoutError as ResultTimeout
from celery.worker import state as worker_state
from django.apps import apps
from django.db import router, transaction

from neural.celeryapp import chords, unstarted
from neural.celeryapp.call import CalledTask
from neural.celeryapp.celery_view import UNKNOWN, meta_of, metas_of, state_of
from neural.celeryapp.groups import CELERYS_INTERVAL, is_called_here
from neural.ledger import dialects
from neural.ledger.work import WorkSource
from neural.ledger.work_errors import describe
from neural.models import TaskRun
from neural.runs.models.run import FINISHED_STATES

logger = logging.getLogger(__name__)

TERMINATED = "terminated"
SHORTEST_PAUSE_SECONDS = 0.002
READ_AT_ONCE = 1000


class LedgerResults:
    """Mixed into a result backend: ledger tasks are answered from the ledger.

    A waiting client polls: nobody publishes the end of a run to it, and whether an id is the
    ledger's may be known only later (the next task of a chain).
    """

    supports_native_join = False
    """Celery's would wait for ever for what follows a dead run (see ``LedgerGroupResult``)."""
    is_async = False

    def get_task_meta(self, task_id: str, *args: Any, **options: Any) -> Any:
        """State, value and the rest of a task. A run's is never cached: a person may retry it."""
        if run := _run(task_id):
            meta = meta_of(run) if self._keeps(run) else dict(UNKNOWN)
            return self.meta_from_decoded(meta)  # type: ignore[attr-defined]
        meta = super().get_task_meta(task_id, *args, **options)  # type: ignore[misc]
        never = [] if meta["status"] in states.READY_STATES else unstarted.metas([task_id])
        return self.meta_from_decoded(never[0]) if never else meta  # type: ignore[attr-defined]

    def _keeps(self, run: TaskRun) -> bool:
        """Whether Celery was asked to keep what became of the run, as the ledger always does."""
        task = self.app.tasks.get(run.task)  # type: ignore[attr-defined]
        if isinstance(task, CalledTask):
            is_ignored = task.ignores_results(run.options)
        else:
            is_ignored = bool(run.options.get("ignore_result"))
        if not is_ignored:
            return True
        keeps_errors = getattr(task, "store_errors_even_if_ignored", False)
        return bool(keeps_errors) and state_of(run) in states.PROPAGATE_STATES

    def task_result_exists(self, task_id: str) -> bool:
        """Whether the id is known. A run is known from the moment in which it was recorded."""
        return bool(_run(task_id)) or super().task_result_exists(task_id)  # type: ignore[misc]

    def mark_as_revoked(self, task_id: str, reason: str = "", **options: Any) -> Any:
        """Cancel the run of a task that a worker was told to refuse or end.

        The worker was told by ``celery control revoke`` or by stamps. It forgets the id, because a
        person may retry the run.
        """
        run = _run(task_id)
        if run is None:
            return super().mark_as_revoked(task_id, reason, **options)  # type: ignore[misc]
        changed = run.revoke() if reason == TERMINATED else run.cancel()
        worker_state.revoked.discard(task_id)
        if not dialects.ledger_connection().in_atomic_block:
            dialects.ledger_connection().close()  # the worker's main process keeps none
        return changed

    # Chords: the ledger counts those with a ledger task in their header, the backend all others

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> Any:
        """Count a chord's header, before its messages leave."""
        if not chords.plan(self.app, header_result_args, body):  # type: ignore[attr-defined]
            self._count_chord(header_result_args, body, **options)

    _apply_chord_incr = apply_chord  # what backends that can count set in its place

    def _count_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        backend: Any = super()
        by_key = getattr(self, "implements_incr", False)
        count = backend._apply_chord_incr if by_key else backend.apply_chord
        count(header_result_args, body, **options)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        if not is_called_here(group_id):
            super().set_chord_size(group_id, chord_size)  # type: ignore[misc]

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, *args: Any, **options: Any
    ) -> None:
        """Report a member of a chord before its result is stored: of a task whose result is there,
        Celery does not take up again what a killed process has left undone."""
        if request and chords.report(request, states.SUCCESS, result):
            request.update(chord=None)
        super().mark_as_done(task_id, result, request, *args, **options)  # type: ignore[misc]

    def on_chord_part_return(self, request: Any, state: str, result: Any, **options: Any) -> Any:
        """A task of a chord's header has ended."""
        if not chords.report(request, state, result):
            self._count_part(request, state, result, **options)

    def _count_part(self, request: Any, state: str, result: Any, **options: Any) -> None:
        super().on_chord_part_return(request, state, result, **options)  # type: ignore[misc]

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        """Fail a body, and what waits for it: Celery lets a chord around it wait for ever."""
        try:
            return super().chord_error_from_stack(callback, exc=exc)  # type: ignore[misc]
        finally:
            chords.fail(callback, describe(exc) if exc else "ChordError")

    # Waiting, by polling

    def add_pending_result(self, result: Any, *args: Any, **options: Any) -> Any:
        """Do nothing, since there is nothing to listen to."""
        return result

    def remove_pending_result(self, result: Any) -> Any:
        return result

    def wait_for_pending(self, result: Any, *args: Any, **options: Any) -> Any:
        """What ``AsyncResult.get()`` calls."""
        polling: Any = SyncBackendMixin.wait_for_pending
        return polling(self, result, *args, **options)

    def wait_for(self, task_id: str, *args: Any, **options: Any) -> Any:
        """The meta of a task that has ended; what waiting for one task calls."""
        (meta,) = (meta for _, meta in self.get_many([task_id], *args, **options))
        return meta

    def iter_native(self, result: Any, *args: Any, **options: Any) -> Any:
        """What ``GroupResult.iter_native()`` calls."""
        polling: Any = SyncBackendMixin.iter_native
        return polling(self, result, *args, **options)

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float = CELERYS_INTERVAL,
        no_ack: bool = True,
        on_message: object = None,
        on_interval: Callable[[], object] | None = None,
        max_iterations: int | None = None,
        **options: Any,
    ) -> Iterator[tuple[str, Any]]:
        """Yield each task's id and meta as it ends. Raises Celery's TimeoutError (``timeout`` in
        seconds).

        It looks every ``interval`` seconds. Celery's own default stands for soon and then more
        rarely: after an eighth of the time that has passed, so that looking late costs no more than
        that.
        """
        waiting, began, looks = set(task_ids), time.monotonic(), 0
        while waiting:
            for task_id, meta in self._ended(waiting):
                waiting.discard(task_id)
                if on_interval and meta["status"] in states.PROPAGATE_STATES:
                    on_interval()  # raises the error of what was before it, if that has failed
                yield task_id, meta
            looks += 1
            if not waiting or looks == max_iterations:
                return
            passed = time.monotonic() - began
            if on_interval and passed >= CELERYS_INTERVAL:
                on_interval()  # as rarely, by then all that follows a dead run has failed with it
            if timeout is not None and passed >= timeout:
                raise ResultTimeout(f"{len(waiting)} tasks have not ended in {timeout} s")
            pause = interval if interval != CELERYS_INTERVAL else _pause(passed)
            time.sleep(pause if timeout is None else min(pause, timeout - passed))

    def _ended(self, task_ids: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Those of these tasks that have ended; a few statements for all runs of the ledger."""
        asked = list(task_ids)
        known = _states(asked)
        ended = [task_id for task_id, state in known.items() if state in FINISHED_STATES]
        for start in range(0, len(ended), READ_AT_ONCE):
            runs = TaskRun.objects.filter(task_id__in=ended[start : start + READ_AT_ONCE])
            for meta in metas_of(runs.select_related("worker").order_by("finished_at")):
                if meta["status"] in states.READY_STATES:
                    yield meta["task_id"], self.meta_from_decoded(meta)  # type: ignore[attr-defined]
        others = {each for each in asked if each not in known}
        for task_id, meta in list(self._ended_elsewhere(others)) if others else ():
            others.discard(task_id)
            yield task_id, meta
        for meta in unstarted.metas(others) if others else ():
            yield meta["task_id"], self.meta_from_decoded(meta)  # type: ignore[attr-defined]

    def _ended_elsewhere(self, task_ids: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Those of these tasks, which are not the ledger's, that have ended."""
        backend: Any = super()
        if issubclass(type(self), BaseKeyValueStoreBackend):  # reads many at once
            yield from backend.get_many(task_ids, interval=0, max_iterations=1)
            return
        for task_id in task_ids:
            meta = backend.get_task_meta(task_id)
            if meta["status"] in states.READY_STATES:
                yield task_id, meta


def _states(task_ids: Iterable[str]) -> dict[str, str]:
    """The states of those of these tasks that are runs of the ledger."""
    dialect = dialects.ledger_dialect()
    with dialects.preparing_cursor() as cursor:
        cursor.execute(
            f"SELECT task_id, state FROM neural_taskrun WHERE {dialect.is_one_of('task_id')}",
            [dialect.bound_list(task_ids)],
        )
        return dict(cursor.fetchall())


def _pause(passed: float) -> float:
    """How long to wait until the next look, in seconds, if so many have passed already."""
    return min(max(passed / 8, SHORTEST_PAUSE_SECONDS), CELERYS_INTERVAL)


def _run(task_id: str) -> TaskRun | None:
    return TaskRun.objects.select_related("worker").filter(task_id=task_id).first()


class LedgerOnly(LedgerResults, BaseBackend):  # type: ignore[misc]
    """The result backend if none is named: it answers for ledger tasks, and for no others."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        """An id that is not the ledger's counts as pending."""
        return dict(UNKNOWN)

    def task_result_exists(self, task_id: str) -> bool:
        return _run(task_id) is not None

    def store_result(  # type: ignore[override]
        self, task_id: str, result: Any, state: str, **options: Any
    ) -> Any:
        """Do not keep the result."""
        return result

    def ensure_chords_allowed(self) -> None:
        """Allow a chord: what its header has is known when it is called."""

    def _count_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """Raise: only a result backend can count a header of plain tasks."""
        raise NotImplementedError(
            "a chord needs a result backend to count its header: install django-celery-results "
            "or set CELERY_RESULT_BACKEND"
        )


class RedisResults(LedgerResults, RedisBackend):  # type: ignore[misc]
    """Redis for plain tasks, the ledger for ledger tasks.

    The result of a plain client's message is also stored in Redis: the client has nothing else to
    read.
    """


if apps.is_installed("django_celery_results"):
    from django_celery_results.backends.database import (
        DatabaseBackend,
        trigger_callback,
    )
    from django_celery_results.models import ChordCounter  # type: ignore[attr-defined]

    class DatabaseResults(LedgerResults, DatabaseBackend):
        """django-celery-results for plain tasks, the ledger for ledger tasks."""

        def store_result(self, task_id: str, result: Any, state: str, **options: Any) -> Any:
            """Do not store a ledger task's result, even if a plain client's message asks for it;
            but that it never starts, because a plain task before it in its chain has failed."""
            if _is_on_ledger(self.app, options.get("request")) and (
                state not in states.PROPAGATE_STATES or _run(task_id)
            ):
                return result
            return super().store_result(task_id, result, state, **options)

        def _ended_elsewhere(self, task_ids: Collection[str]) -> Iterator[tuple[str, Any]]:
            ended = self.TaskModel.objects.filter(
                task_id__in=task_ids, status__in=states.READY_STATES
            )
            for task_id in list(ended.values_list("task_id", flat=True)):
                yield task_id, self.get_task_meta(task_id)

        def _count_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
            """Count a chord's header, anew if the broker did not take it the last time.

            The row of an attempt to send it stays, since it is committed before the messages leave.
            """
            with transaction.atomic(using=router.db_for_write(ChordCounter)):
                ChordCounter.objects.filter(group_id=header_result_args[0]).delete()
                super()._count_chord(header_result_args, body, **options)

        def _count_part(self, request: Any, state: str, result: Any, **options: Any) -> None:
            """Count a task of a chord's header that has ended; the last one starts the body.

            A message that comes twice is counted twice. A count that would end before all have
            ended begins again with those that have not, else the body would never start.
            """
            if not request.group:
                return
            with transaction.atomic(using=router.db_for_write(ChordCounter)):
                counters = ChordCounter.objects.select_for_update()
                counter = counters.filter(group_id=request.group).first()
                if counter is None:
                    logger.warning("event=chord_not_counted group=%s", request.group)
                    return
                counter.count -= 1
                if counter.count <= 0:
                    counter.count = self._not_ended(counter, seen_from=request.id)
                if counter.count > 0:
                    counter.save(update_fields=["count"])
                    return
                counter.delete()
            header = counter.group_result(app=self.app)
            trigger_callback(self.app, maybe_signature(request.chord, app=self.app), header)

        def _not_ended(self, counter: Any, *, seen_from: str) -> int:
            """How many tasks of the header have not ended. 0 if even the one that asks seems not to
            have ended: results are not kept (``ignore_result``), and the body is told of an error.
            """
            if self.get_task_meta(seen_from)["status"] not in states.READY_STATES:
                return 0
            results = counter.group_result(app=self.app).results
            stored = self.TaskModel.objects.filter(task_id__in=[each.id for each in results])
            ended = stored.filter(status__in=states.READY_STATES)
            ended_ids = set(ended.values_list("task_id", flat=True))
            return sum(each.id not in ended_ids and not each.ready() for each in results)


@cache
def answering(backend: type) -> type:
    """The result backend's class, made to answer from the ledger first."""
    if issubclass(backend, LedgerResults):
        return backend
    if issubclass(backend, DisabledBackend):
        return LedgerOnly
    if apps.is_installed("django_celery_results") and issubclass(backend, DatabaseBackend):
        if backend is DatabaseBackend:
            return DatabaseResults
        bases: tuple[type, ...] = (DatabaseResults, backend)
    else:
        bases = (LedgerResults, backend)
    return type(backend.__name__, bases, {"__module__": __name__})


def _is_on_ledger(app: Any, request: Any) -> bool:
    return isinstance(app.tasks.get(getattr(request, "task", None)), WorkSource)
