"""Receives pushes, gives them to stores, and translates them into events."""


def connect() -> None:
    """Connect receiving with the core: what happens on saving, checks, tasks and pruning."""
    from neural.health.probes import register_probe
    from neural.hooks import tasks  # noqa: F401  (known to the relay)
    from neural.hooks.health import NAME, webhook_sources
    from neural.hooks.incoming import pruning, routing

    routing.connect()
    pruning.connect()
    register_probe(NAME, webhook_sources)
