"""Receives pushes of platforms, gives them to stores, and translates them into events.
``receiving.receive`` checks and keeps a request, ``routing.route`` gives one that waited to its
store, and ``translating.translate_push`` records its events. ``views`` call the first while the
platform waits; runs of the ledger do the others.
"""


def connect() -> None:
    """Connect receiving with the core: what happens on saving, checks, tasks and pruning."""
    from neural.health import register_check
    from neural.hooks import tasks  # noqa: F401  (known to the relay)
    from neural.hooks.health import SOURCES
    from neural.hooks.incoming import pruning, reconciling, routing
    from neural.ledger.ports import when_ended

    routing.connect()
    pruning.connect()
    when_ended("reconciliations", reconciling.end_with_run)
    register_check(SOURCES)
