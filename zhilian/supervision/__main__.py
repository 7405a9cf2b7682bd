"""The supervisor of `make up`: runs programs and the embedded broker until it is asked to stop.

    python -m zhilian.supervision '{"programs": {"web": ["/…/python", …]}, "logs": …, "broker": …}'

`manage.py up` becomes this process when all is prepared. It imports neither Django nor Celery.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from zhilian.supervision.embedded import BrokerAlreadyRunning, BrokerDidNotStart, EmbeddedBroker
from zhilian.supervision.processes import ProgramSpec, Supervisor

RESTART_SECONDS = 5
"""Between two attempts to start the embedded broker again."""


def main() -> None:
    """Run what the plan, in JSON, names. Without `broker`, a directory, none is started."""
    # By default glibc keeps memory in up to eight areas for each core. A process with many
    # threads that had indexed 10,000 records held 559 MiB.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    plan: dict[str, Any] = json.loads(sys.argv[1])
    programs = [ProgramSpec(name=name, arguments=each) for name, each in plan["programs"].items()]
    supervisor = Supervisor(programs, logs=Path(plan["logs"]))
    broker = EmbeddedBroker(Path(plan["broker"])) if plan["broker"] else None
    if broker:
        supervisor.every_tick = Restarting(
            broker, lambda line: supervisor.console.write("up", line)
        )
    try:
        with broker or nullcontext():
            supervisor.run()
    except BrokerAlreadyRunning as error:
        sys.exit(str(error))
    print("Stopped.", flush=True)


class Restarting:
    """Starts the embedded broker again if it has died; called at each tick of the supervisor.

    The broker continues from its file. If it does not start (its disk is full), it is tried again
    after a while: the ledger works without it.
    """

    def __init__(self, broker: EmbeddedBroker, log: Callable[[str], None]) -> None:
        self._broker = broker
        self._log = log
        self._not_before = 0.0

    def __call__(self) -> None:
        if self._broker.pid is not None or time.monotonic() < self._not_before:
            return
        try:
            self._broker.start()
        except (BrokerAlreadyRunning, BrokerDidNotStart, OSError) as error:
            self._log(f"event=broker_not_restarted reason={str(error)!r}")
            self._not_before = time.monotonic() + RESTART_SECONDS
            return
        self._log(f"event=broker_restarted url={self._broker.url}")


if __name__ == "__main__":
    main()
