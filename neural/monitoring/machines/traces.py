"""OpenTelemetry spans: PRODUCER when work is recorded, CONSUMER when it is executed.

They take part where ``opentelemetry-api`` is installed and the process has set a tracer provider
(``opentelemetry-instrument``, or a few lines of its own). A run keeps the ``traceparent`` of what
recorded it, so its spans belong to the submitter's trace, however late a relay publishes it.
Names and attributes: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

from neural.ledger import ports
from neural.ledger.interrupts import Retry
from neural.ledger.work import RetryRequested
from neural.models import TaskRun

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer

logger = logging.getLogger(__name__)

Attributes = dict[str, str | int]

SYSTEM = "neural"
_NAMES = ("traceparent", "tracestate")
MOST_LINKS = 128
"""The SDK's own limit of links in a span."""


def connect() -> None:
    """Take part in traces if the API is installed; it is imported with the first work."""
    try:
        metadata.distribution("opentelemetry-api")
    except metadata.PackageNotFoundError:
        return
    ports.connect_tracing(OpenTelemetry())


class OpenTelemetry:
    """Spans by the process's tracer provider; nothing while it has set none."""

    def sending(self, work: str, headers: Mapping[str, Any]) -> Mapping[str, str]:
        """A PRODUCER span, child of the given trace context or else of the current span; returns
        its context."""
        tracer = _tracer()
        span = tracer and _started(
            tracer, "send", work, kind="PRODUCER", context=_context(headers), attributes={}
        )
        if not span:
            return {}
        from opentelemetry.trace.propagation import set_span_in_context

        carrier: dict[str, str] = {}
        _propagator().inject(carrier, set_span_in_context(span))
        _end(span)
        return carrier

    @contextmanager
    def processing(self, runs: Sequence[TaskRun]) -> Iterator[None]:
        """A CONSUMER span: child of its run's trace; of a batch, one with links to each run's."""
        tracer = _tracer()
        span = _consuming(tracer, runs) if tracer else None
        if span is None:
            yield
            return
        from opentelemetry.trace import use_span

        try:
            # The error's own text may hold values of a payload: only its type is told.
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            _note(span, error)
            raise
        finally:
            _end(span)

    def died(self, outcomes: Sequence[Any]) -> None:
        """Nothing: the span of a run has its error."""


def _consuming(tracer: "Tracer", runs: Sequence[TaskRun]) -> "Span | None":
    first = runs[0]
    if len(runs) == 1:
        attributes: Attributes = {
            "messaging.message.id": first.task_id,
            "neural.attempt": first.attempt_number,
        }
        context, links = _context(_headers(first)), []
    else:
        attributes = {"messaging.batch.message_count": len(runs)}
        context, links = None, _links(runs)
    return _started(
        tracer,
        "process",
        first.work_name,
        kind="CONSUMER",
        context=context,
        links=links,
        attributes={**attributes, "neural.queue": first.queue},
    )


def _started(
    tracer: "Tracer",
    operation: str,
    work: str,
    *,
    kind: str,
    context: "Context | None",
    attributes: "Attributes",
    links: "Sequence[Link]" = (),
) -> "Span | None":
    """A new span; None if the SDK fails, which is logged: work goes on without it."""
    from opentelemetry.trace import SpanKind

    attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": work,
        **attributes,
    }
    try:
        return tracer.start_span(
            f"{operation} {work}",
            context=context,
            kind=SpanKind[kind],
            attributes=attributes,
            links=links,
        )
    except Exception:
        logger.exception("event=span_failed work=%s", work)
        return None


def _end(span: "Span") -> None:
    try:
        span.end()
    except Exception:
        logger.exception("event=span_failed")


def _tracer() -> "Tracer | None":
    """The tracer, or None while the process has set no provider."""
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return provider.get_tracer("neural")


def _propagator() -> Any:
    """That of W3C, whatever the process has chosen for its requests: it is what runs keep."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


def _context(headers: Mapping[str, Any]) -> "Context | None":
    """The context that headers name; None (the current one) without a valid one."""
    from opentelemetry.trace import get_current_span

    carrier = {name: headers[name] for name in _NAMES if isinstance(headers.get(name), str)}
    if "traceparent" not in carrier:
        return None
    context: Context = _propagator().extract(carrier)
    return context if get_current_span(context).get_span_context().is_valid else None


def _headers(run: TaskRun) -> Mapping[str, Any]:
    headers: Mapping[str, Any] = run.options.get(ports.HEADERS) or {}
    return headers


def _links(runs: Sequence[TaskRun]) -> "list[Link]":
    from opentelemetry.trace import Link, get_current_span

    contexts = (_context(_headers(run)) for run in runs)
    spans = (get_current_span(each).get_span_context() for each in contexts if each is not None)
    return [Link(each) for each in spans if each.is_valid][:MOST_LINKS]


def is_no_error(raised: BaseException) -> bool:
    """Whether work raised it to be executed again, and not because it failed: Snooze and the
    like."""
    return isinstance(raised, Retry) and not isinstance(raised, RetryRequested)


def _note(span: "Span", error: BaseException) -> None:
    """The error's type."""
    from opentelemetry.trace import StatusCode

    if is_no_error(error):
        return
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    span.set_attribute("error.type", name)
    span.set_status(StatusCode.ERROR)


def _full_name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
