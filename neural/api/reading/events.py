"""Endpoints of recorded events: list them, read one with its runs, and run its handlers again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from ninja import Path, Query, Schema
from pydantic import Field

from neural.api.access import Caller, KeyWith, record_act
from neural.api.models import Scope
from neural.api.openapi import answers
from neural.api.problems import ApiProblem
from neural.api.reading import event_pages
from neural.api.reading.event_pages import LIST, EventFilters
from neural.api.reading.fields import HandlerName, Instant, RowKey, TaskId
from neural.api.reading.pages import cursor_at, link_to_next
from neural.api.reading.runs import Run, State, run_read
from neural.api.submitting.endpoints import router
from neural.events.answers import EventPruned
from neural.events.recording import replay
from neural.events.types import EventTypeUnknown, event_type
from neural.models import NeuralEvent, RunState, TaskAttempt, TaskRun
from neural.runs.acts import RETRY
from neural.runs.models.run_log import pairs

logger = logging.getLogger("neural.api")

__all__ = ["router"]

_: Any = gettext_lazy  # django-ninja's annotations know no lazy text

EventKey = Annotated[
    RowKey, Path(description="The event's id in this API, as its submission was answered.")
]
RETRIED_STATES = [state for state in RETRY.states if state != RunState.DISCARDED]
"""A discarded run stays discarded: a person decided that it is not retried."""


class RunOfEvent(Schema):
    """The state of one run of an event."""

    task_id: TaskId
    handler: HandlerName
    state: State


class ListedEvent(Schema):
    """An event in a list."""

    id: int = Field(examples=[4711])
    store: str = Field(examples=["S01"])
    source: str = Field(examples=["till-3"])
    event_id: str = Field(
        examples=["1001"], description="The sender's own id, unique within its store and source."
    )
    type: str = Field(examples=["order.created"])
    occurred_at: Instant
    recorded_at: Instant
    unhandled: bool = Field(description="Whether no installed app handled this type of event.")
    pruned_at: Instant | None = Field(description="When the payload was deleted for its age.")
    runs: list[RunOfEvent]


class RecordedEvent(ListedEvent):
    """An event, and what became of it."""

    payload: Any = Field(
        examples=[{"order_id": "1001"}], description="As it was submitted; null after pruning."
    )
    runs: list[Run]  # type: ignore[assignment]


class EventList(Schema):
    """A page of events, the newest first."""

    items: list[ListedEvent]
    next: str | None = Field(
        description="The cursor of the next page; null on the last one. A page may have fewer "
        "items than `limit`, even none, and yet a next one."
    )


class RetriedRun(Schema):
    """A run of the event."""

    task_id: TaskId
    handler: HandlerName
    state: State = Field(
        description="Its state before this request; `pending` for a run that it recorded."
    )


class EventRetried(Schema):
    """What a retry of an event did."""

    id: int
    retried: list[RetriedRun] = Field(description="Dead and cancelled runs that are due again.")
    recorded: list[RetriedRun] = Field(description="New runs, of handlers that had none.")
    unchanged: list[RetriedRun] = Field(description="Runs that were left as they are.")


@router.get(
    "/events",
    auth=KeyWith(Scope.EVENTS_READ),
    response=EventList,
    operation_id="list_events",
    summary=_("List events"),
)
def list_events(
    request: HttpRequest, response: HttpResponse, filters: Query[EventFilters]
) -> EventList:
    """Recorded events of the key's stores, the newest first, without their payloads. Pages are
    stable while events arrive: a cursor goes on below the last event seen. A filter of `state`,
    `source` or time is applied to the events that one page looks at, so that each page is
    answered quickly: go on until `next` is null."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    page = event_pages.page(filters, caller.stores)
    following = None if page.after is None else cursor_at(LIST, page.after)
    link_to_next(request, response, following)
    return EventList(items=[_listed(event) for event in page.events], next=following)


@router.get(
    "/events/{id}",
    auth=KeyWith(Scope.EVENTS_READ),
    response=RecordedEvent,
    operation_id="read_event",
    summary=_("Read an event and what became of it"),
)
def read_event(request: HttpRequest, id: EventKey) -> RecordedEvent:  # noqa: A002 (a parameter of the path)
    """The event with its payload and its runs: their states, attempts, errors and results."""
    event = _visible(request, id)
    attempts = TaskAttempt.objects.select_related("worker").defer("traceback")
    runs = event.runs.select_related("worker").defer("args", "kwargs", "options")
    runs = runs.prefetch_related(Prefetch("attempts", attempts)).order_by("handler")
    return RecordedEvent(
        **_facts(event), payload=event.payload, runs=[run_read(run) for run in runs]
    )


@router.post(
    "/events/{id}/retry",
    auth=KeyWith(Scope.RUNS_RETRY),
    response=EventRetried,
    operation_id="retry_event",
    summary=_("Run an event's handlers again"),
    openapi_extra=answers(409),
)
def retry_again(request: HttpRequest, id: EventKey) -> EventRetried:  # noqa: A002 (a parameter of the path)
    """Makes the event's dead and cancelled runs due again, with their retries restored, and records
    a run for each handler of its type that has none. Runs that wait, work or have succeeded are
    left as they are, and so are discarded ones: a person decided about them. 409 if the payload was
    pruned, or if no installed app registers the event's type any more."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    event = _visible(request, id)
    try:
        with transaction.atomic():
            done = retry_event(event, by=caller.name)
            if done.retried or done.recorded:
                counts = {"retried": len(done.retried), "recorded": len(done.recorded)}
                record_act(caller, action="event.retry", rows=[event], details=counts)
                if done.retried:  # so that their pages say who retried them
                    of = {"event": event.pk}
                    record_act(caller, action="run.retry", rows=done.retried, details=of)
    except EventPruned:
        raise ApiProblem(409, "the payload was pruned; its handlers cannot run") from None
    except EventTypeUnknown:
        detail = f"no installed app registers the event type {event.type}"
        raise ApiProblem(409, detail) from None
    return EventRetried(
        id=event.pk,
        retried=[_brief(run) for run in done.retried],
        recorded=[_brief(run) for run in done.recorded],
        unchanged=[_brief(run) for run in done.unchanged],
    )


def _visible(request: HttpRequest, key: int) -> NeuralEvent:
    """The event if the caller may see it. One of another store looks like none."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    event = NeuralEvent.objects.in_stores(caller.stores).filter(pk=key).first()
    if event is None:
        raise ApiProblem(404, "there is no such event in the stores of this key")
    return event


def _facts(event: NeuralEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "store": event.store_id,
        "source": event.source,
        "event_id": event.event_id,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "unhandled": event.unhandled,
        "pruned_at": event.pruned_at,
    }


def _listed(event: NeuralEvent) -> ListedEvent:
    runs = [
        RunOfEvent(task_id=run.task_id, handler=run.handler, state=run.state)
        for run in sorted(event.runs.all(), key=lambda run: run.handler)
    ]
    return ListedEvent(**_facts(event), runs=runs)


def _brief(run: TaskRun) -> RetriedRun:
    return RetriedRun(task_id=run.task_id, handler=run.handler, state=run.state)


@dataclass(frozen=True, kw_only=True)
class EventRetry:
    """What was done. ``retried`` and ``unchanged`` have the states that were found."""

    retried: Sequence[TaskRun]
    recorded: Sequence[TaskRun]
    unchanged: Sequence[TaskRun]


def retry_event(event: NeuralEvent, *, by: str) -> EventRetry:
    """Retry the event's dead and cancelled runs, and record runs of handlers that have none.

    In the caller's transaction; published after it commits. Raises :class:`EventPruned`, and
    EventTypeUnknown if no installed app registers the event's type any more.
    """
    event_type(event.type)
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned; its handlers cannot run")
    runs = event.runs.order_by("pk").select_for_update(of=("self",))
    found = list(runs.defer("args", "kwargs", "result"))
    retried = [run for run in found if run.state in RETRIED_STATES]
    RETRY.change_all(retried, by=by)
    recorded = replay(event, requested_by=by)
    transaction.on_commit(lambda: _log(event, by, retried, recorded), robust=True)
    unchanged = [run for run in found if run.state not in RETRIED_STATES]
    return EventRetry(retried=retried, recorded=recorded, unchanged=unchanged)


def _log(
    event: NeuralEvent, by: str, retried: Sequence[TaskRun], recorded: Sequence[TaskRun]
) -> None:
    facts = {
        "by": by,
        "event_id": event.event_id,
        "source": event.source,
        "store": event.store_id,
        "retried": len(retried),
        "recorded": len(recorded),
    }
    logger.info("event=event_retried %s", pairs(facts))
