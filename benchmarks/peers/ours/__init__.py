"""Zhilian Neural as it comes, but for search, which no peer has: the project's settings and
``manage.py worker --concurrency 2``.

``single`` submits events of a type of its own, whose handler does what the peers' tasks do;
``bulk`` submits the built-in ``sales.reported``. A submit validates, records the event with its
identity, its run, and publishes to the broker before it returns. For ``one_by_one_drain`` the
environment says ``NEURAL_BATCH_CLAIM_RUNS=1``: each run is claimed, run and settled alone, in
transactions of its own. A message brings a worker to several, one after the other, for 50 ms at
most: the peers go to their queue in the database without a message, too.
"""
