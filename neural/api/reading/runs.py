"""Endpoints of runs: read one with its attempts, and retry many."""

from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from ninja import Path, Router, Schema
from pydantic import Field, StrictBool, StrictInt, WithJsonSchema, model_validator

from neural.api.access import Caller, KeyWith, record_act
from neural.api.models import Scope
from neural.api.problems import ApiProblem
from neural.api.reading.fields import TASK_ID, AskedInstant, HandlerName, Instant, TaskId, text
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.runs.acts import RETRY
from neural.runs.models.attempt import attempts_of
from neural.runs.selecting import set_aside

MOST_RETRIED = 1000
"""How many runs one request retries."""
NARROWING = {"store", "task", "handler", "queue", "error", "since", "until"}

router = Router(tags=["Runs"])
_: Any = gettext_lazy  # django-ninja's annotations know no lazy text

State = Annotated[str, WithJsonSchema({"type": "string", "enum": RunState.values})]
Outcome = Annotated[str, WithJsonSchema({"type": "string", "enum": AttemptOutcome.values})]


class Attempt(Schema):
    """One attempt of a run."""

    number: int = Field(description="Counted from 1.")
    outcome: Outcome | None = Field(
        description="`lost`: its worker was lost; `handed_back`: its worker stopped first; null: "
        "it is under way."
    )
    started_at: Instant
    finished_at: Instant | None
    worker: str | None = Field(description="The name of the worker.")
    error: str = Field(description="Empty without an error.")


class Run(Schema):
    """One piece of work: a handler of an event, or a task."""

    task_id: TaskId
    task: str = Field(examples=["neural.tasks.process_neural_event"])
    handler: HandlerName = Field(description="Empty for a task that handles no event.")
    event: int | None = Field(description="The event's id in this API.")
    store: str | None
    queue: str = Field(examples=["high_priority"])
    priority: int = Field(examples=[10], description="10 is most urgent, 1 least.")
    state: State
    requested_by: str
    created_at: Instant
    due_at: Instant
    started_at: Instant | None = Field(description="When the newest attempt started.")
    finished_at: Instant | None
    failures: int = Field(description="Failed attempts since the run was recorded or retried.")
    losses: int = Field(description="Attempts whose worker was lost.")
    error: str = Field(description="The last error; empty without one.")
    result: Any = Field(description="What the work returned, as JSON; null before it succeeded.")
    attempts: list[Attempt] = Field(description="The first one first.")


class RunsToRetry(Schema):
    """Which runs to retry: those that a filter chooses, or `all`. Empty text is refused: a script
    whose variable is empty would retry the runs of every store."""

    model_config = {
        "extra": "forbid",
        "json_schema_extra": {"examples": [{"states": ["dead"], "store": "S01", "dry_run": True}]},
    }

    states: list[Literal["dead", "cancelled", "discarded"]] = Field(
        ["dead"], min_length=1, max_length=3
    )
    store: text(64, least=1) | None = Field(  # type: ignore[valid-type]
        None, description="The code of a store."
    )
    task: text(255, least=1) | None = Field(  # type: ignore[valid-type]
        None, description="The name of the task."
    )
    handler: text(200, least=1) | None = Field(  # type: ignore[valid-type]
        None, description="The name of the handler."
    )
    queue: text(100, least=1) | None = Field(  # type: ignore[valid-type]
        None, description="The queue."
    )
    error: text(500, least=1) | None = Field(  # type: ignore[valid-type]
        None, description="Part of the last error, in any case."
    )
    since: AskedInstant | None = Field(None, description="Finished at or after this.")
    until: AskedInstant | None = Field(None, description="Finished before this.")
    all: StrictBool = Field(False, description="Without any of these filters: retry every run.")
    limit: StrictInt = Field(
        MOST_RETRIED, ge=1, le=MOST_RETRIED, description="The most runs to retry."
    )
    dry_run: StrictBool = Field(False, description="Change nothing; say what would be retried.")

    @model_validator(mode="after")
    def _says_which(self) -> "RunsToRetry":
        is_narrowed = bool(self.model_dump(include=NARROWING, exclude_none=True))
        if is_narrowed and self.all:
            raise ValueError('names a filter, and "all" too: leave out one of them')
        if not (is_narrowed or self.all or self.dry_run):
            raise ValueError(
                'names no filter: for every run of the key\'s stores, write "all": true'
            )
        return self


class RunsRetried(Schema):
    """Which runs were retried."""

    dry_run: bool
    retried: int = Field(description="How many runs are due again, or would be.")
    more: bool = Field(description="Whether more runs match. Send the same request again.")
    task_ids: list[TaskId] = Field(description="The runs, the oldest first.")
    refused: int = Field(description="Refused messages that match, left out: 1,000 at most.")


# Before the endpoint of one run, whose task id may be any text.
@router.post(
    "/runs/retry",
    auth=KeyWith(Scope.RUNS_RETRY),
    response=RunsRetried,
    operation_id="retry_runs",
    summary=_("Retry runs by filter"),
)
def retry_runs(request: HttpRequest, chosen: RunsToRetry) -> RunsRetried:
    """Makes dead runs (or cancelled or discarded ones) due again, with their retries restored: the
    oldest first, at most `limit` in one request. Left out are runs of events whose payload was
    pruned, and dead letters of refused messages. Look first with `dry_run`."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    found = set_aside(
        states=[RunState(each) for each in dict.fromkeys(chosen.states)],
        stores=caller.stores,
        **chosen.model_dump(include=NARROWING, exclude_none=True),
    )
    columns = ("task_id", "task", "handler", "queue", "event_id", "store_id")
    reached = RETRY.reached(found, named=False).order_by("pk").only(*columns)
    with transaction.atomic():
        if not chosen.dry_run:  # so that no run is returned that somebody else changes meanwhile
            reached = reached.select_for_update(of=("self",))
        runs = list(reached[: chosen.limit + 1])
        more = len(runs) > chosen.limit
        del runs[chosen.limit :]
        if runs and not chosen.dry_run:
            RETRY.change_all(runs, by=caller.name)
            query = chosen.model_dump(mode="json", include=NARROWING, exclude_none=True)
            states = {"states": ",".join(chosen.states)}
            record_act(caller, action="run.retry", rows=runs, query=states | query)
    left_out = RETRY.left_out(found, named=False)
    return RunsRetried(
        dry_run=chosen.dry_run,
        retried=len(runs),
        more=more,
        task_ids=[run.task_id for run in runs],
        refused=left_out["refused"][:MOST_RETRIED].count(),
    )


@router.get(
    "/runs/{path:task_id}",
    auth=KeyWith(Scope.EVENTS_READ),
    response=Run,
    operation_id="read_run",
    summary=_("Read a run"),
)
def read_run(
    request: HttpRequest,
    task_id: Annotated[text(255, example=TASK_ID), Path(description="The run's task id.")],  # type: ignore[valid-type]
) -> Run:
    """The run with its state, its attempts and its result. A run that belongs to no store is seen
    by keys of every store alone."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    found = TaskRun.objects.in_stores(caller.stores).filter(task_id=task_id)
    run = found.select_related("worker").defer("args", "kwargs", "options").first()
    if run is None:
        raise ApiProblem(404, "there is no such run in the stores of this key")
    return run_read(run)


def run_read(run: TaskRun) -> Run:
    """A run as the API shows it. Tracebacks are left to the admin."""
    attempts = [
        Attempt(
            number=each.number,
            outcome=each.outcome.value if each.outcome else None,
            started_at=each.started_at,
            finished_at=each.finished_at,
            worker=each.worker.name if each.worker else None,
            error=each.error,
        )
        for each in attempts_of(run)
    ]
    return Run(
        task_id=run.task_id,
        task=run.task,
        handler=run.handler,
        event=run.event_id,
        store=run.store_id,
        queue=run.queue,
        priority=run.priority,
        state=run.state,
        requested_by=run.requested_by,
        created_at=run.created_at,
        due_at=run.available_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        failures=run.failures,
        losses=run.losses,
        error=run.error,
        result=run.result,
        attempts=attempts,
    )
