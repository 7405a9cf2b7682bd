"""The search collections of what failed: runs that are dead, and error groups.

Both follow what relays note of failed attempts, so that nothing of it is in the way of a claim or a
settling. A run is found while it is dead: when somebody has decided, it leaves the index. Errors
are indexed with what looks like personal data masked, as lists show them.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from neural.events.changes import RUNS
from neural.kit.sites import page_of
from neural.models import RunState, TaskRun
from neural.monitoring.errors.folding import ERRORS
from neural.monitoring.errors.groups import groups_for, last_hours
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun
from neural.personal.redacting import redacted_text
from neural.retrieval.collections.documents import Document, joined, key_of
from neural.retrieval.collections.registry import (
    Numbered,
    Record,
    permission_of,
    register_rows,
)
from neural.retrieval.collections.trade import called

NEAR_ENOUGH = 0.5
"""Names of classes are near to many words and mean little: only what is nearly the same counts."""


class DeadRuns(Numbered):
    model = FailedRun

    def all(self) -> QuerySet[Any]:
        return FailedRun.objects.filter(dead=True)

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        """The rows whose run is not pruned, each with its run."""
        failed = list(rows.select_related("group"))
        runs = TaskRun.objects.select_related("event").defer("event__payload")
        found = runs.in_bulk([each.pk for each in failed])
        for each in failed:
            each.run = found.get(each.pk)
        return [each for each in failed if each.run]

    def record(self, row: Any) -> Record:
        run = row.run
        return {
            "id": str(row.pk),
            "store_id": row.store_id or "",
            "work": run.work_name,
            "numbers": [run.task_id, f"#{run.pk}", *([run.event.event_id] if run.event else ())],
            "about": [run.event.type if run.event else "", run.queue, row.group.frame],
            "exception": row.group.exception,
            "error": redacted_text(run.error),
            "queue": run.queue,
            "at": row.failed_at,
        }

    def page(self, pk: int) -> str:
        """The page of the run."""
        return page_of(TaskRun, pk)


def dead_run(record: Mapping[str, Any]) -> Document:
    """The document of a dead run: found by its work, its error, its ids and its event's."""
    return Document(
        id=record["id"],
        store=record["store_id"],
        kind=_class_of(record["exception"]),
        at=record["at"],
        title=record["work"],
        names=(_class_of(record["exception"]),),
        numbers=tuple(filter(None, record["numbers"])),
        also=(*called(RunState.DEAD), *_words_of(record["exception"])),
        facts={"state": RunState.DEAD.value, "queue": record["queue"]},
        text=joined([record["error"], *record["about"]]),
    )


class ErrorGroups(Numbered):
    model, store = ErrorGroup, ""

    def record(self, row: ErrorGroup) -> Record:
        texts = {name: getattr(row, name) for name in ("exception", "frame", "root", "state")}
        message = redacted_text(row.message)
        return {"id": str(row.pk), "at": row.last_at, "message": message, **texts}


def error_group(record: Mapping[str, Any]) -> Document:
    """The document of an error group: what all its attempts have in common."""
    causes = [record[name] for name in ("exception", "message", "frame", "root")]
    return Document(
        id=record["id"],
        kind=record["state"],
        at=record["at"],
        title=record["exception"],
        names=(_class_of(record["exception"]),),
        also=(*called(record["state"]), *_words_of(record["exception"])),
        facts={"state": record["state"]},
        text=joined(causes),
    )


def groups_in(
    stores: Collection[str] | None, since: dt.datetime | None, until: dt.datetime | None
) -> Mapping[str, dt.datetime]:
    """The error groups that hit one of these stores in a period, and when they last did. What has
    failed again since is known by the hour."""
    groups: Any = groups_for(stores)
    if since:
        groups = groups.filter(shown_last__gte=since)
    last = dict(groups.values_list("pk", "shown_last"))
    if until:
        later = [pk for pk, at in last.items() if at >= until]
        last = {pk: at for pk, at in last.items() if at < until}
        last |= last_hours(later, stores, since=since, until=until)
    return {key_of(store="", id=str(pk)): at for pk, at in last.items()}


def _class_of(exception: str) -> str:
    return exception.rpartition(".")[2]


_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _words_of(exception: str) -> tuple[str, ...]:
    """What people call an exception: ``ReadTimeout`` is a read timeout, 超时."""
    words = [word.lower() for word in _WORDS.findall(_class_of(exception))]
    return tuple(dict.fromkeys((" ".join(words), *called(*words))))


register_rows(
    RUNS,
    _("dead runs"),
    dead_run,
    DeadRuns(),
    permission=permission_of(TaskRun),
    in_api=False,
    near_enough=NEAR_ENOUGH,
)
register_rows(
    ERRORS,
    _("error groups"),
    error_group,
    ErrorGroups(),
    concerns=groups_in,
    labels=dict(ErrorGroupState.choices),
    in_api=False,
    near_enough=NEAR_ENOUGH,
)
