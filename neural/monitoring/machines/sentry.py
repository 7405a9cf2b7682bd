"""Sentry: a run belongs to the trace of what recorded it, and a dead run is one error event.

For processes that have enabled sentry-sdk's CeleryIntegration. It makes a transaction of each
message and an event of each error that the message's own run dies of; this module does the rest: it
keeps the submitter's ``sentry-trace`` with the run, and sees to runs that no message of theirs led
to. https://docs.sentry.io/platforms/python/integrations/celery/
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from celery import current_app, current_task

from neural.ledger import ports
from neural.ledger.outcome import Outcome
from neural.models import RunState, TaskRun
from neural.monitoring.machines.traces import is_no_error

TRACE = "sentry-trace"
ORIGIN = "auto.queue.celery"


def connect() -> None:
    """Take part in traces if the SDK is installed."""
    try:
        metadata.distribution("sentry-sdk")
    except metadata.PackageNotFoundError:
        return
    ports.connect_tracing(Sentry())


class Sentry:
    """Spans, transactions and events by the process's SDK; nothing without its CeleryIntegration.

    With the SDK's experimental streaming of spans, runs are in the trace and have no spans here.
    """

    def sending(self, work: str, headers: Mapping[str, Any]) -> Mapping[str, str]:
        """The trace context of a span in the current transaction; the caller's own stays."""
        sdk = _sdk()
        if sdk is None or headers.get(TRACE):
            return {}
        with sdk.start_span(op="queue.submit.celery", name=work, origin=ORIGIN) as span:
            return dict(sdk.get_isolation_scope().iter_trace_propagation_headers(span=span))

    @contextmanager
    def processing(self, runs: Sequence[TaskRun]) -> Iterator[None]:
        """A transaction, unless the message at work has that of this run; a batch has none."""
        sdk = _sdk() if len(runs) == 1 else None
        if sdk is None:
            yield
        elif current_task and current_task.request.id == runs[0].task_id:
            sdk.get_current_scope().set_transaction_name(runs[0].work_name, source="task")
            yield
        else:
            with _transaction(sdk, runs[0]):
                yield

    def died(self, outcomes: Sequence[Outcome]) -> None:
        """An event of each run that is dead, in its trace; the task's ``throws`` are expected."""
        sdk = _sdk()
        if sdk is None:
            return
        for outcome in outcomes:
            expected = getattr(current_app.tasks.get(outcome.run.task), "throws", ())
            if outcome.state != RunState.DEAD or isinstance(outcome.exception, expected):
                continue
            with _scope_of(sdk, outcome.run):
                sdk.get_current_scope().set_transaction_name(outcome.run.work_name, source="task")
                if outcome.exception:
                    sdk.capture_exception(outcome.exception)
                else:
                    sdk.capture_message(outcome.error, level="error")


@contextmanager
def _transaction(sdk: Any, run: TaskRun) -> Iterator[None]:
    no_error = None
    with _scope_of(sdk, run) as continued, sdk.start_transaction(continued) as transaction:
        transaction.set_status("ok")
        try:
            yield
        except Exception as error:
            transaction.set_status("aborted")
            if not is_no_error(error):
                raise
            no_error = error
    if no_error:
        raise no_error


@contextmanager
def _scope_of(sdk: Any, run: TaskRun) -> Iterator[Any]:
    """A scope in the run's trace, as the integration makes one; gives a transaction to start."""
    with sdk.isolation_scope() as scope, sdk.new_scope() as current:
        current.span = None
        scope.clear_breadcrumbs()
        scope.add_event_processor(lambda event, hint: _tagged(event, run.task_id))
        yield sdk.continue_trace(
            run.options.get(ports.HEADERS) or {},
            op="queue.task.celery",
            name=run.work_name,
            source="task",
            origin=ORIGIN,
        )


def _tagged(event: dict[str, Any], task_id: str) -> dict[str, Any]:
    event.setdefault("tags", {})["celery_task_id"] = task_id
    return event


def _sdk() -> Any:
    """The SDK, if this process has initialised it with the CeleryIntegration; else None."""
    sdk: Any = sys.modules.get("sentry_sdk")  # whoever has initialised it has imported it
    if sdk is None or sdk.get_client().get_integration("celery") is None:
        return None
    # No second event of the log line that a run is dead.
    sdk.integrations.logging.ignore_logger("neural.ledger")
    return sdk
