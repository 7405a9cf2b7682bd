"""Zhilian Neural with its defaults: the project's settings, and a worker with ``--concurrency 2``.
Search is off, because no peer has it.

``single`` submits events of a type whose handler does what the peers' tasks do; ``bulk`` submits
the built-in ``sales.reported``. A submit validates the event, records it with its identity and its
run, and publishes to the broker before it returns. ``one_by_one_drain`` sets
``NEURAL_BATCH_CLAIM_RUNS=1``: each run is claimed, run and settled alone, in transactions of its
own. One message lets a worker run several, one after the other, for 50 ms at most. The peers also
read their queue in the database without a message for each task.
"""
