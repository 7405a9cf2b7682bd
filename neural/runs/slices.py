"""Long work in slices: a run does steps until its time is up, and goes on in a later attempt.

Each step commits by itself, and what it commits says where the next one begins. So a process that
is killed loses the step that it was at, and nothing is done twice.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, TypeVar

from neural.ledger.work import Snooze
from neural.queues.pausing import others_wait

Step = TypeVar("Step")
Clock = Callable[[], float]
SLICE_SECONDS = 20.0
PAUSE_SECONDS = 1.0
"""How long a slice takes, and the pause after it, in which other work gets the worker."""


def in_time(steps: Iterable[Step], *, seconds: float) -> Iterator[Step]:
    """The steps until so many seconds have passed, but at least one."""
    ends_at = time.monotonic() + seconds
    for step in steps:
        yield step
        if time.monotonic() >= ends_at:
            return


def in_slices(
    steps: Iterable[object],
    checkpoint: Callable[[], Any],
    *,
    seconds: float = SLICE_SECONDS,
    pause: float = PAUSE_SECONDS,
    gives_way_after: float = inf,
    clock: Clock = time.monotonic,
) -> None:
    """Do the steps. Raises :class:`~neural.ledger.work.Snooze` with a checkpoint after one of them
    when the time of the slice is up or, after ``gives_way_after`` seconds, other work waits."""
    began = clock()
    for _step in steps:
        passed = clock() - began
        if passed >= seconds or (passed >= gives_way_after and others_wait()):
            raise Snooze(pause, checkpoint=checkpoint())
