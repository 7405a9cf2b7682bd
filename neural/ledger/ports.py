"""Functions that the ledger calls and other packages provide: publish, check queues, follow up.

Messages, Celery's callbacks and traces are not part of the ledger. The functions are connected
once, when the application is ready (:func:`connect`, :func:`when_ended`,
:func:`insert_when_settled`, :func:`connect_tracing`). The ledger also works without them:
unpublished runs wait for a relay, every queue name is valid, nothing follows a run, and nobody
traces.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol, TypeAlias

from django.db.models import QuerySet

from neural.models import RunState, TaskRun
from neural.runs.models.new_run import NewRun
from neural.runs.models.run import Ended
from neural.runs.models.run_ends import notify_ended, when_ended  # noqa: F401

AnyRun: TypeAlias = TaskRun | NewRun
Announce: TypeAlias = Callable[[Sequence[AnyRun]], None]
HasQueue: TypeAlias = Callable[[str], bool]
HEADERS = "headers"


class NoteWaiting(Protocol):
    """The type of :data:`note_waiting`."""

    def __call__(self, runs: Sequence[TaskRun], *, waiting: bool) -> bool: ...


def _left_to_the_relay(runs: Sequence[AnyRun]) -> None:
    """Publish nothing: a relay publishes each run at its ``publish_at``."""


def _every_queue(name: str) -> bool:
    """Accept every queue: the ledger does not know which queues are read."""
    return True


def _noted_nowhere(runs: Sequence[TaskRun], *, waiting: bool) -> bool:
    """Note nothing: if the process dies, each run of its batch counts a lost delivery."""
    return False


announce: Announce = _left_to_the_relay
"""Publish messages for these due runs when the open transaction, which records them, commits. The
function must neither raise nor block the caller."""
has_queue: HasQueue = _every_queue
"""Whether a run may be sent to the queue of this name."""
note_waiting: NoteWaiting = _noted_nowhere
"""Note where another process sees it that these claimed runs wait for their turn, or that they
begin (``waiting`` is False). Returns whether one that begins had been taken from those that wait.
The function must neither raise nor block."""


def connect(*, announcing: Announce, having_queue: HasQueue) -> None:
    """Set these two functions; they replace those set before."""
    global announce, has_queue
    announce, has_queue = announcing, having_queue


def without_success(
    ended: Sequence[Ended], *, task: str, argument: str, rows: Callable[[], QuerySet[Any]]
) -> Iterator[tuple[Ended, Any]]:
    """Of these runs, those of a task that have ended without success, each with that of these rows
    whose key it was given as this keyword argument, unless another run carries the row on. ``rows``
    is called for such a run alone: a query set costs more than a look at every run that ends.

    The row is locked, so that of two runs that end at once the second sees the end of the first.
    """
    for each in ended:
        if each.run.task == task and each.state != RunState.SUCCEEDED:
            key = each.run.kwargs.get(argument)
            if isinstance(key, int):  # a plain client's message may hold anything
                row = rows().select_for_update(of=("self",)).filter(pk=key).first()
                others = TaskRun.objects.exclude(pk=each.run.pk).filter(
                    task=task, event=None, state__in=(RunState.PENDING, RunState.RUNNING)
                )
                if row is not None and not others.filter(**{f"kwargs__{argument}": key}).exists():
                    yield each, row


class Insert(NamedTuple):
    """A row with one text that a transaction which settles runs inserts."""

    table: str
    column: str
    text: Callable[[Sequence[Any]], str]
    """The text for these outcomes; no row is inserted if it is empty."""


_settle_inserts: dict[str, Insert] = {}


def insert_when_settled(name: str, insert: Insert) -> None:
    """Insert a row with the outcomes (:class:`neural.ledger.outcome.Outcome`) that one transaction
    settles, in that transaction.

    It is inserted for every outcome that a worker records, for lost deliveries, whose runs are as
    they were before, and for messages that are recorded as dead letters; not for runs that are
    released. An error rolls the transaction back.

    Where the database can, the row is part of the statement that settles, so that it costs no round
    trip. The table must exist before anything is settled; a worker does not start without it.
    """
    _settle_inserts[name] = insert


def every_insert() -> list[Insert]:
    """What :func:`insert_when_settled` set."""
    return list(_settle_inserts.values())


def inserts_for(outcomes: Sequence[Any]) -> list[tuple[Insert, str]]:
    """The rows to insert for these outcomes: where, and their texts."""
    each = ((insert, insert.text(outcomes)) for insert in _settle_inserts.values())
    return [(insert, text) for insert, text in each if text]


# Traces: who takes part is told when work is recorded and executed.


class Tracing(Protocol):
    """What takes part in traces."""

    def sending(self, work: str, headers: Mapping[str, Any]) -> Mapping[str, str]:
        """Called when work is recorded, with the caller's headers, which may hold its trace
        context; returns those of the trace context (such as ``traceparent``) to keep instead. It
        must not raise errors of its own."""

    def processing(self, runs: Sequence[TaskRun]) -> AbstractContextManager[object]:
        """A context in which one call does the work of these runs; errors pass through it. It must
        not raise errors of its own."""

    def died(self, outcomes: Sequence[Any]) -> None:
        """Called with outcomes (:class:`neural.ledger.outcome.Outcome`) of which some may be of
        dead runs, but for a run of which Celery itself says that its message has failed. It must
        not raise errors of its own."""


tracing: tuple[Tracing, ...] = ()


def connect_tracing(one: Tracing) -> None:
    """Add what takes part in traces."""
    global tracing
    tracing = (*tracing, one)


def processing(runs: Sequence[TaskRun]) -> AbstractContextManager[object]:
    """The context in which one call does the work of these runs."""
    return _traced(runs) if tracing else nullcontext()


@contextmanager
def _traced(runs: Sequence[TaskRun]) -> Iterator[None]:
    with ExitStack() as entered:
        for each in tracing:
            entered.enter_context(each.processing(runs))
        yield


def died(outcomes: Sequence[Any]) -> None:
    """Tell those who trace of outcomes of which Celery itself says nothing."""
    for each in tracing:
        each.died(outcomes)


def with_trace(work: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options of a run of a task, with the trace context to keep among their headers."""
    headers = dict(options.get(HEADERS) or {})
    for each in tracing:
        headers |= each.sending(work, headers)
    return {**options, HEADERS: headers} if headers else options
