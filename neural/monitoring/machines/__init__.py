"""What machines read: Prometheus metrics, health endpoints, traces, Sentry events."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.monitoring.machines import gauges, traces
    from neural.monitoring.machines.collecting import register_metrics

    register_metrics("ledger", gauges.collect)
    traces.connect()
