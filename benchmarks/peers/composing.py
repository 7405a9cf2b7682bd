"""One step of ``benchmarks.chords``, with the packages and settings of one system.

    python -m benchmarks.peers.composing CHORDS MEMBERS

Prints the seconds from the first call of a chord until the last body has started, and the
milliseconds from the end of a chord's last task to the start of its body.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.peers.driver import running  # sets Django up
from benchmarks.peers.work import BODIES

if os.environ.get("PEERS_APPS"):
    from benchmarks.peers.celery_peer import SYSTEM, ended_at, note_body

    WORKERS = SYSTEM.workers
else:
    from benchmarks.load.tasks import ended_at, note_body
    from benchmarks.peers.ours import WORKERS

from celery import chord

PATIENCE_SECONDS = 1800


def main(chords: int, members: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="neural-bench-") as folder:
        notes = Path(folder, "bodies")
        notes.touch()
        os.environ[BODIES] = str(notes)
        with running(WORKERS):
            chord([ended_at.s()])(note_body.s())  # the worker has started
            _wait(notes, 1)
            started = time.time()
            for _ in range(chords):
                chord(ended_at.s() for _ in range(members))(note_body.s())
            bodies = _wait(notes, 1 + chords)[1:]
    waits = sorted(1000 * (begun - last) for last, begun in bodies)
    print(
        json.dumps(
            {
                "seconds": max(begun for _, begun in bodies) - started,
                "p50 ms": statistics.median(waits),
                "p99 ms": waits[int(len(waits) * 0.99)],
            }
        )
    )


def _wait(notes: Path, bodies: int) -> list[tuple[float, float]]:
    """For each body when its last task ended and when it began, once there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(lines := notes.read_text().splitlines()) < bodies:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(lines)} of {bodies} bodies have started")
        time.sleep(0.05)
    return [(float(last), float(begun)) for last, begun in map(str.split, lines)]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
