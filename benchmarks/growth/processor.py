"""Reads processor time, which other work on the machine affects less than elapsed time."""

import time
from pathlib import Path

from benchmarks.growth.ledger import rows


def server_seconds() -> float:
    """Processor time so far of the server process behind this connection.

    If the server is another machine, or its system does not report it, this is elapsed time.
    """
    ((process_id,),) = rows("SELECT pg_backend_pid()")
    process = Path(f"/proc/{process_id}")
    try:
        is_ours = (process / "comm").read_text().startswith("postgres")
        nanoseconds = (process / "schedstat").read_text().split()[0]
    except OSError:
        return time.perf_counter()
    return int(nanoseconds) / 1e9 if is_ours else time.perf_counter()


def both_seconds() -> float:
    """Processor time so far of the server's process and of this one, added."""
    return server_seconds() + time.process_time()
