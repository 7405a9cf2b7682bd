"""The port for traces: who takes part in them is told when work is recorded and executed.

Nothing is connected by default, and then it costs a comparison with None.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from neural.models import TaskRun

HEADERS = "headers"


class Tracing(Protocol):
    """What takes part in traces."""

    def sending(self, work: str, headers: Mapping[str, Any]) -> Mapping[str, str]:
        """Called when work is recorded, with the caller's headers, which may hold its trace
        context; returns those of the trace context (``traceparent``, ``tracestate``) to keep
        instead. It must not raise errors of its own."""

    def processing(self, runs: Sequence[TaskRun]) -> AbstractContextManager[object]:
        """A context in which one call does the work of these runs; errors pass through it. It must
        not raise errors of its own."""


tracing: Tracing | None = None


def connect(one: Tracing | None) -> None:
    """Set what takes part in traces; it replaces the one before."""
    global tracing
    tracing = one


def processing(runs: Sequence[TaskRun]) -> AbstractContextManager[object]:
    """The context in which one call does the work of these runs."""
    return nullcontext() if tracing is None else tracing.processing(runs)


def with_trace(work: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options of a run of a task, with the trace context to keep among their headers."""
    if tracing is None:
        return options
    before = options.get(HEADERS) or {}
    headers = {**before, **tracing.sending(work, before)}
    return {**options, HEADERS: headers} if headers else options
