"""What single and bulk events share: the worker, the run's row, the request."""

import sys
from typing import Any

from benchmarks.peers.work import Report

WORKERS = [[sys.executable, "manage.py", "worker", "--concurrency", "2", "--verbosity", "0"]]
OUTCOMES = """
    SELECT count(*) FILTER (WHERE state = 'succeeded'), min(started_at), max(finished_at)
    FROM neural_taskrun WHERE handler <> ''
"""
EVENTS = "SELECT count(*) FROM neural_neuralevent"


def request(event_type: str, report: Report) -> dict[str, Any]:
    """The arguments of ``neural.submit``."""
    return {
        "type": event_type,
        "store": report.store,
        "source": "bench",
        "event_id": report.event_id,
        "payload": report.payload,
    }
