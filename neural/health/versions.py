"""Probes of what the live workers report: the work they know, and their clocks."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from neural.health.database import CLOCK_PROBLEM_SECONDS, CLOCK_WARNING_SECONDS
from neural.health.findings import Finding, in_turn, listed, ok, problem, warning
from neural.health.situation import Situation
from neural.models import WorkerProcess

SHOWN = 3

Work = tuple[str, str]
"""The kind of work (handler, task or event type) and its name."""


def known_work(situation: Situation) -> Mapping[Work, str]:
    """The work that any live worker knows, as the worker that started last knows it."""
    found: dict[Work, str] = {}
    for worker in sorted(situation.workers, key=lambda each: (each.started_at, each.pk)):
        found |= _known_by(worker)
    return found


def _known_by(worker: WorkerProcess) -> Mapping[Work, str]:
    said = worker.registered or {}
    found = {("handler", name): "" for name in said.get("handlers", ())}
    found |= {("task", name): takes for name, takes in said.get("tasks", {}).items()}
    types = said.get("event_types", {}).items()
    return found | {("event type", name): schema for name, schema in types}


def versions(situation: Situation) -> Finding:
    """All workers know the same handlers, tasks and event types."""
    newest = known_work(situation)
    older = {
        worker.name: lacking
        for worker in situation.workers
        if worker.queues and (lacking := _lacking(worker, newest))
    }
    if not older:
        return ok("versions", _("all workers know the same handlers, tasks and event types"))
    told = in_turn(
        _("%(worker)s does not know %(work)s, or in another version")
        % {"worker": name, "work": _shortened(lacking)}
        for name, lacking in list(older.items())[:SHOWN]
    )
    return warning(
        "versions",
        told,
        _(
            "in a rolling upgrade this passes, and such runs are handed on meanwhile; otherwise "
            "restart those workers in the version of the others"
        ),
    )


def _lacking(worker: WorkerProcess, newest: Mapping[Work, str]) -> Sequence[str]:
    """Names of work that a worker lacks or knows differently.

    Each name comes once: a handler may have the name of its event type.
    """
    mine = _known_by(worker)
    lacking = (work for work, said in newest.items() if mine.get(work) != said)
    return list(dict.fromkeys(name for _what, name in lacking))


def _shortened(names: Sequence[str]) -> str:
    shown = listed(sorted(names)[:SHOWN])
    if len(names) <= SHOWN:
        return shown
    return _("%(names)s and %(count)d more") % {"names": shown, "count": len(names) - SHOWN}


def clocks(situation: Situation) -> Finding:
    """The clocks of the workers' hosts agree with the database's, as of their last heartbeats."""
    ahead = {
        worker.name: worker.clock_ahead.total_seconds()
        for worker in situation.workers
        if worker.clock_ahead is not None
    }
    wrong = {name: s for name, s in ahead.items() if abs(s) >= CLOCK_WARNING_SECONDS}
    if not wrong:
        return ok("worker clocks", _("the workers' clocks agree with the database's"))
    worst = max(map(abs, wrong.values()))
    judge = problem if worst >= CLOCK_PROBLEM_SECONDS else warning
    return judge(
        "worker clocks",
        in_turn(_told(name, seconds) for name, seconds in list(wrong.items())[:SHOWN]),
        _(
            "let their hosts keep time by NTP: timedatectl set-ntp true; runs are judged by the "
            "database's clock, but log lines carry their host's"
        ),
    )


def _told(name: str, seconds: float) -> str:
    ahead = _("%(worker)s is %(seconds).0f s ahead of the database")
    behind = _("%(worker)s is %(seconds).0f s behind the database")
    return (ahead if seconds > 0 else behind) % {"worker": name, "seconds": abs(seconds)}
