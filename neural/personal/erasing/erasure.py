"""Erases one person for a user: what the command and the page of the admin do.

It counts what is found, waits for runs at work, looks for what is left, and keeps all of that in
the audit log. The core's own tables that may hold a person's data are registered here
(:data:`TABLES`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from time import monotonic
from typing import Any, TypeVar

from django.apps import apps
from django.db.models import Q
from django.utils.crypto import salted_hmac

from neural import audit
from neural.events.answers import InvalidEvent
from neural.events.changes import record_changed, refusals_changed, runs_changed
from neural.events.types import TYPES, canonical, check_payload, largest_byte_limit
from neural.kit.registry import Registry
from neural.models import (
    AuditOutcome,
    AuditSource,
    AwaitedMember,
    Batch,
    BulkAction,
    NeuralEvent,
    QueuePause,
    RefusedEvent,
    RunEdit,
    SavedView,
    TaskAttempt,
    TaskRun,
)
from neural.personal.beside import Beside
from neural.personal.erasing.residue import Findings, Look, not_erased
from neural.personal.erasing.tables import (
    Erasable,
    RunsAwaited,
    Step,
    StoodBeside,
    Values,
    erase,
    register_erasable,
)
from neural.personal.person import Person

PERMISSION = "neural.erase_personal_data"
ACTION = "person.erase"
LONGEST_REASON = 500
Each = TypeVar("Each")
BESIDE = "with what stands beside the person, such as the name alone"
Listener = Callable[[Sequence[NeuralEvent], Person], None]
ERASED_EVENTS: Registry[Listener] = Registry("listener to erased events")
FACTS = ("type", "place", "frame", "root", "root_place", "code", "members")
IDS = ("task_id", "root_id", "parent_id", "group_id")
"""Of runs, and of those that follow them: they must stay what others refer to."""


@dataclass(kw_only=True)
class Erasure:
    """A person is erased within a store, or everywhere, by a user; without a user, what names the
    person is only counted.

    First :meth:`go`, then :meth:`look`: each reads every table and yields the steps, so that a
    caller can tell how far it is. Who closes them, or kills the process, may begin anew.
    """

    person: Person
    store: str = ""
    by: Any = None
    reason: str = ""
    source: AuditSource = AuditSource.COMMAND
    wait_seconds: float = 60
    """How long to wait in all for runs that are at work."""
    count_seconds: float = inf
    """How long to count, and then to look, where nothing is erased: erasing is never cut short."""

    found: Counter[str] = field(default_factory=Counter)
    """Rows that named the person, by the names of the tables, and :data:`BESIDE`."""
    is_cut: bool = False
    """Not every table was read to its end, because the time was over: there may be more."""
    unread: int = 0
    """Rows that are nested too deep to be read."""
    under_way: int = 0
    """Runs that had not ended in time, and may write what they had read before."""
    left: Findings = field(default_factory=Findings)
    """What names the person and is not erased."""
    left_beside: Findings = field(default_factory=Findings)
    """Where what stood beside the person is left."""
    _stood_beside: StoodBeside = field(default_factory=dict)
    _finished: int | None = None
    """The entry that says that all was erased; None if not all was."""

    def go(self) -> Iterator[Step]:
        """Erase the person, or count."""
        begun = self._tell(AuditOutcome.BEGUN, "begun")
        awaited = RunsAwaited(seconds=self.wait_seconds)
        try:
            steps = erase(
                self.person,
                store=self.store,
                dry_run=self.by is None,
                wait_for=awaited.wait_for,
                found_beside=self._stood_beside,
            )
            for step in self._in_time(steps):
                self.found[BESIDE if step.is_beside else step.name] += step.found
                self.unread += step.unread
                yield step
        except BaseException:
            facts = {"count": self.found.total(), "rows": dict(+self.found), "ends": begun}
            self._tell(AuditOutcome.FAILED, "stopped", record=audit.record_end, **facts)
            raise
        self.under_way = len(awaited.unfinished)
        is_whole = not (self.unread or self.under_way)
        finished = self._tell(
            AuditOutcome.DONE if is_whole else AuditOutcome.FAILED,
            "finished",
            ends=begun,
            count=self.found.total(),
            rows=dict(+self.found),
            unread=self.unread,
            under_way=self.under_way,
        )
        self._finished = finished if is_whole else None

    def look(self) -> Iterator[Look]:
        """Look for what is left. By now the person is erased, and the log says so, whatever becomes
        of this look: only if nothing fails, its entry stands for both."""
        try:
            yield from self._looks()
        except BaseException:
            self._tell(AuditOutcome.FAILED, "look stopped", record=audit.record_end)
            raise
        left = self.left
        is_read = not (left.unread or left.unreadable)
        both: dict[str, Any] = {"ends": self._finished, "count": self.found.total()}
        self._tell(
            AuditOutcome.DONE if is_read else AuditOutcome.FAILED,
            "looked at the rest",
            **(both | {"rows": dict(+self.found)} if is_read and self._finished else {}),
            not_erased=left.rows,
            beside=self.left_beside.rows,
            unread=left.unread,
            unreadable=left.unreadable,
        )

    def _in_time(self, steps: Iterator[Each]) -> Iterator[Each]:
        until = monotonic() + (self.count_seconds if self.by is None else inf)
        for step in steps:
            yield step
            if monotonic() > until:
                self.is_cut = True
                return

    def _looks(self) -> Iterator[Look]:
        for look in self._in_time(not_erased(self.person, store=self.store)):
            self.left.add(look)
            yield look
        values = frozenset(each for values in self._stood_beside.values() for each in values)
        if self.by is None or not values:
            return
        who = Beside(of=self.person, values=values, rules=self.person.rules)
        for look in not_erased(who, store=self.store):
            self.left_beside.add(look)
            yield look

    def _tell(
        self,
        outcome: AuditOutcome,
        step: str,
        *,
        count: int = 0,
        ends: int | None = None,
        record: Callable[..., Any] = audit.record,
        **details: Any,
    ) -> Any:
        if self.by is None:
            return None
        return record(
            by=self.by.get_username(),
            user_id=self.by.pk,
            action=ACTION,
            source=self.source,
            store=self.store or None,
            reason=self.reason,
            details={
                "step": step,
                "person": _hashes(self.person),
                **{name: value for name, value in details.items() if value},
            },
            outcome=outcome,
            count=count,
            ends=ends,
        )


def _hashes(person: Person) -> dict[str, str]:
    """What was erased, as nobody can read it: whoever asks later about a phone can be told whether
    it was, with the SECRET_KEY of this deployment."""
    known = {
        "phone": person.digits,
        "email": person.email.lower(),
        "member_id": person.member_id,
        "name": person.name,
    }
    return {
        name: salted_hmac(ACTION, value, algorithm="sha256").hexdigest()[:32]
        for name, value in known.items()
        if value
    }


# The core's own tables


def register_erased_events_listener(name: str, listener: Listener) -> None:
    """Call this function with the events from whose payloads a person was erased, in the
    transaction: to erase from what was computed from them what names the person by no word."""
    ERASED_EVENTS.add(name, listener)


def _events_changed(events: Sequence[NeuralEvent], person: Person) -> None:
    record_changed("events", [f"{each.store_id}/{each.pk}" for each in events], history=True)
    for listener in ERASED_EVENTS:
        listener(events, person)


def _is_valid_event(event: Any, values: Values) -> bool:
    """Whether a handler can still read the payload: it may run again."""
    kind = TYPES.find(event.type)
    if kind is None or values["payload"] is None:
        return True
    try:
        check_payload(kind, canonical(values["payload"], largest_byte_limit()))
    except InvalidEvent:
        return False
    return True


TABLES = (
    Erasable(
        name="events",
        model=NeuralEvent,
        fields=("payload",),
        accepts=_is_valid_event,
        after=_events_changed,
    ),
    Erasable(
        name="refused events",
        model=RefusedEvent,
        fields=("payload", "details", "problems"),
        store="store_code",
        after=lambda rows, _: refusals_changed((each.store_code, each.pk) for each in rows),
    ),
    Erasable(
        name="runs",
        model=TaskRun,
        fields=("args", "kwargs", "options", "result", "error"),
        unchanged_paths=tuple(f"options.{each}" for each in IDS),
        after=lambda rows, _: runs_changed((each.store_id, each.pk) for each in rows),
    ),
    Erasable(
        name="attempts",
        model=TaskAttempt,
        fields=("error", "traceback", "exception_facts"),
        store="run__store",
        unchanged_paths=tuple(f"exception_facts.{each}" for each in FACTS),
    ),
    Erasable(name="batches", model=Batch, fields=("options",)),
    Erasable(name="members of batches", model=AwaitedMember, fields=("value", "error"), store=""),
    Erasable(name="edits", model=RunEdit, fields=("before", "after", "reason"), store=""),
    Erasable(
        name="bulk actions",
        model=BulkAction,
        fields=("query", "reason", "stop_reason"),
        store="",
        only=Q(state="finished"),
    ),
    Erasable(name="saved views", model=SavedView, fields=("query",), store=""),
    Erasable(name="pauses of queues", model=QueuePause, fields=("reason",), store=""),
)
"""Events come first: what is computed from them is read from them again. Identities and content
hashes stay, so that an event that is sent again is a duplicate and brings nothing back."""


def connect() -> None:
    """Register the tables."""
    for each in TABLES:
        register_erasable(each)
    if apps.is_installed("django_celery_results"):
        register_erasable(_results())


@cache
def _results() -> Erasable:
    fields = ("task_args", "task_kwargs", "result", "traceback", "meta")
    model = apps.get_model("django_celery_results", "TaskResult")
    return Erasable(name="Celery results", model=model, fields=fields, store="")
