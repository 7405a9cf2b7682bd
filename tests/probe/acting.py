"""What a handler or task of this app does: each misbehaviour a test can ask for.

Files in the directory that PROBE_DIRECTORY names tell the test how far the work has come,
whatever becomes of its transaction: `started-<key>-<process id>-<count>`, one for each start.
"""

import itertools
import os
import signal
import time
from pathlib import Path

from django.db import transaction

from neural.events.schema import Payload
from neural.kit.errors import PermanentError
from neural.ledger.work import current_run
from neural.models import TaskRun
from tests.probe.models import Counter, Effect

_numbers = itertools.count()


class Order(Payload):
    """What the work shall do, in the order of these fields. The effect comes first."""

    key: str
    counter: str = "all"
    gate_before: str = ""
    """Wait for this gate before the effect."""
    seconds_before: float = 0
    """So long before the effect; an atomic handler's transaction is open and holds no lock but
    SQLite's one."""
    gate: str = ""
    """Wait until a file of this name stands in the directory (ten minutes at most)."""
    seconds: float = 0
    kill_times: int = 0
    """Kill this process, until so many of the run's deliveries were lost."""
    fail_times: int = 0
    """Fail, until the run failed so often."""
    permanent: bool = False
    result: str = "done"
    """``process``: the id of the process that did it."""
    case: str = ""
    """What `tests.probe.misbehaving` has under this name, once."""


class Failing(Exception):
    """A failure that a test asked for."""


class NeverAgain(PermanentError):
    """A failure that no retry can mend."""


def effect(order: Order) -> None:
    """The effect that must not be doubled, whole or not at all."""
    with transaction.atomic():
        Effect.objects.create(key=order.key, process_id=os.getpid())
        if order.counter:
            Counter.add(order.counter)


def effect_if_missing(order: Order) -> None:
    """An idempotent effect, for work that may run again: by one statement, as the process may be
    frozen between two, until another one has done it."""
    with transaction.atomic():
        if Effect.add_if_missing(order.key, os.getpid()) and order.counter:
            Counter.add(order.counter)


def act(order: Order, *, leave=effect) -> str:
    """Do as ordered."""
    started(order.key)
    if order.gate_before:
        _wait_for(directory() / order.gate_before)
    time.sleep(order.seconds_before)
    leave(order)
    return misbehave(order)


def misbehave(order: Order, run: TaskRun | None = None) -> str:
    """What comes after the effect."""
    run = run or current_run()
    if order.gate:
        _wait_for(directory() / order.gate)
    time.sleep(order.seconds)
    if run and run.losses < order.kill_times:
        os.kill(os.getpid(), signal.SIGKILL)
    if run and run.failures < order.fail_times:
        raise Failing(f"failure {run.failures + 1} of {order.fail_times}")
    if order.permanent:
        raise NeverAgain("there is no use in trying again")
    return str(os.getpid()) if order.result == "process" else order.result


def directory() -> Path:
    return Path(os.environ["PROBE_DIRECTORY"])


def started(key: str) -> None:
    """Tell the test, if one listens."""
    if "PROBE_DIRECTORY" in os.environ:
        (directory() / f"started-{key}-{os.getpid()}-{next(_numbers)}").touch()


def say(key: str) -> None:
    """Add a line to the file `announced`."""
    with (directory() / "announced").open("a") as file:
        file.write(f"{key}\n")


def _wait_for(path: Path, patience: float = 600) -> None:
    """On a busy machine a test takes long between the start of a run and its gate."""
    deadline = time.monotonic() + patience
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
