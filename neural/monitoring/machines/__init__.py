"""What machines read: Prometheus metrics, health endpoints, traces.

:mod:`~neural.monitoring.machines.views` answers ``/metrics``, ``/healthz`` and ``/readyz``,
:func:`~neural.monitoring.machines.collecting.register_metrics` adds an app's metrics, and
:class:`~neural.monitoring.machines.traces.OpenTelemetry` and
:class:`~neural.monitoring.machines.sentry.Sentry` make spans of runs. Prometheus, orchestrators and
tracing backends use it.
"""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.monitoring.machines import gauges, sentry, traces
    from neural.monitoring.machines.collecting import register_metrics

    register_metrics("ledger", gauges.collect)
    traces.connect()
    sentry.connect()
