"""The ledger's log lines: changes of runs, with the ids that people search for.

``event=run_dead run=0195… work=app.orders queue=default event_id=1001 source=till store=S01 …``

Runs that change together are logged together: one line names many runs, each as
``<task id>:<store>/<source>/<event id>``. At fifty runs a batch this costs a tenth of one line for
each run (``benchmarks/log_lines.py``). Arguments, payloads and results are never logged.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from django.db import DatabaseError

from neural.events.models import NeuralEvent

logger = logging.getLogger("neural.ledger")

Identity = tuple[str, str, str]
"""Store, source and event id."""

# The processes of a worker write into one pipe. Only writes shorter than PIPE_BUF (4,096 bytes) are
# never interleaved there.
LONGEST_LIST_BYTES = 3000


class LoggedRun(Protocol):
    """What a line names of a run, which may be a new one."""

    @property
    def task_id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def work_name(self) -> str: ...


def log_change(
    change: str,
    runs: Sequence[Any],
    *,
    level: int = logging.INFO,
    identities: Mapping[str, Identity] | None = None,
    **facts: Any,
) -> None:
    """Log a change (``"started"``, ``"dead"``) of runs, in few lines for each kind of work.

    ``identities`` are those of the runs' events, by task id; without them they are looked up.
    ``facts`` are added to each line.
    """
    if runs and logger.isEnabledFor(level):
        known = _identities(runs) if identities is None else identities
        for line in lines(change, runs, known, facts):
            logger.log(level, "%s", line)


def lines(
    change: str,
    runs: Sequence[LoggedRun],
    identities: Mapping[str, Identity],
    facts: Mapping[str, Any],
) -> Iterator[str]:
    """The lines that :func:`log_change` logs."""
    if len(runs) == 1:
        (run,) = runs
        about = {"run": run.task_id, "work": run.work_name, "queue": run.queue}
        if run.task_id in identities:
            store, source, event_id = identities[run.task_id]
            about |= {"event_id": event_id, "source": source, "store": store}
        yield f"event=run_{change} {pairs({**about, **facts})}"
        return
    by_work: dict[tuple[str, str], list[LoggedRun]] = defaultdict(list)
    for run in runs:
        by_work[run.work_name, run.queue].append(run)
    for (work, queue), theirs in by_work.items():
        common = {"work": work, "queue": queue, **facts}
        for names in _in_lines(_name(run, identities) for run in theirs):
            text = pairs({"runs": len(names), **common, "each": ",".join(names)})
            yield f"event=runs_{change} {text}"


def _name(run: LoggedRun, known: Mapping[str, Identity]) -> str:
    return f"{run.task_id}:{'/'.join(known[run.task_id])}" if run.task_id in known else run.task_id


def _in_lines(names: Iterable[str]) -> Iterator[Sequence[str]]:
    line: list[str] = []
    size = 0
    for name in names:
        size += len(name.encode()) + 1
        if line and size > LONGEST_LIST_BYTES:
            yield line
            line, size = [], len(name.encode()) + 1
        line.append(name)
    if line:
        yield line


def _identities(runs: Iterable[Any]) -> Mapping[str, Identity]:
    """The identities of the runs' events, by task id. Events that are not loaded are looked up in
    one query, without their payloads."""
    events = {run.task_id: run.event_id for run in runs if run.event_id is not None}
    found = {
        run.event_id: (run.event.store_id, run.event.source, run.event.event_id)
        for run in runs
        if run.event_id is not None and "event" in run._state.fields_cache and run.event
    }
    if missing := set(events.values()) - found.keys():
        try:
            rows = NeuralEvent.objects.filter(pk__in=missing)
            columns = rows.values_list("pk", "store", "source", "event_id")
            found |= {pk: (store, source, name) for pk, store, source, name in columns}
        except DatabaseError:
            logger.debug("event=identities_not_read events=%d", len(missing))
    return {task_id: found[pk] for task_id, pk in events.items() if pk in found}


def pairs(facts: Mapping[str, Any]) -> str:
    """``key=value`` for each fact, separated by spaces; values with spaces, quotes or ``=`` are
    quoted."""
    return " ".join(f"{name}={_shown(value)}" for name, value in facts.items())


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    if text.isprintable() and text and not any(mark in text for mark in " =\"'"):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
