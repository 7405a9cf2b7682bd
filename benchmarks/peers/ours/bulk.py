"""Submits ``sales.reported`` by ``submit_many``, for its built-in handler.

The newest report of a day wins, and the day's demand is recomputed from it.
"""

from collections.abc import Sequence

import neural
from benchmarks.peers.ours.ledger import EVENTS, OUTCOMES, WORKERS, request
from benchmarks.peers.system import System
from benchmarks.peers.work import Report, newest


def submit_many(reports: Sequence[Report]) -> None:
    """Submit in chunks of 500, a transaction each (the default), and check every answer."""
    for answer in neural.submit_many(request("sales.reported", each) for each in reports):
        answer.or_raise()


SYSTEM = System(
    workers=WORKERS,
    outcomes=OUTCOMES,
    events=EVENTS,
    submit_many=submit_many,
    demand="SELECT count(*), coalesce(sum(reported_quantity), 0) FROM neural_dailydemand",
    expected=newest,
)
