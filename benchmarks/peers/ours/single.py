"""Events one by one, whose handler does what the peers' tasks do."""

import neural
from benchmarks.peers.ours.ledger import EVENTS, OUTCOMES, WORKERS, request
from benchmarks.peers.system import System
from benchmarks.peers.work import Report


def submit(report: Report) -> None:
    """As an application calls it; the answer is looked at."""
    neural.submit(**request("peers.reported", report)).or_raise()


SYSTEM = System(workers=WORKERS, outcomes=OUTCOMES, events=EVENTS, submit=submit)
