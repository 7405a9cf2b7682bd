"""Submits events one by one, for a handler that does what the peers' tasks do."""

import neural
from benchmarks.peers.ours.ledger import EVENTS, OUTCOMES, WORKERS, request
from benchmarks.peers.system import System
from benchmarks.peers.work import Report


def submit(report: Report) -> None:
    """Submit as an application does, and check the answer."""
    neural.submit(**request("peers.reported", report)).or_raise()


SYSTEM = System(workers=WORKERS, outcomes=OUTCOMES, events=EVENTS, submit=submit)
