"""Probes of workers, of runs that wait for them, and of schedules that are switched off.

The live workers report the work that they know, and their clocks; these are compared.

A schedule that is switched off does nothing, and nobody notices by itself.
"""

from collections.abc import Mapping, Sequence

from celery import current_app
from django.apps import apps
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.database import CLOCK_PROBLEM_SECONDS, CLOCK_WARNING_SECONDS
from neural.health.findings import (
    COUNTED,
    Finding,
    due_runs_text,
    in_turn,
    listed,
    ok,
    problem,
    span,
    waiting_text,
    warning,
)
from neural.health.situation import Situation
from neural.kit.conf import conf
from neural.models import QueuePause, WorkerProcess
from neural.queues import QUEUES
from neural.schedules import BEAT
from neural.schedules.state import schedule_states
from neural.schedules.switches import off_schedules

MOST_NAMED = 20
"""Schedules in one answer: their page has all of them."""
SHOWN = 3
"""Workers in one answer, and works that one of them lacks."""
Work = tuple[str, str]
"""The kind of work (handler, task or event type) and its name."""


def workers(situation: Situation) -> Finding:
    """Every queue that must be read is read by a live worker."""
    needed = list(dict.fromkeys([*QUEUES, *situation.waiting]))
    unread = [queue for queue in needed if queue not in situation.readers]
    if unread:
        return _unread(situation, unread)
    found = _who_lives(situation, needed)
    unheard = WorkerProcess.objects.publishing().silent(conf().worker_lost_seconds)
    silent = situation.once("silent workers", lambda: list(unheard[:COUNTED]))
    if silent:
        return _some_silent(found, silent)
    return ok(found)


def _who_lives(situation: Situation, needed: list[str]) -> str:
    number = len(situation.workers)
    alive = ngettext("%(count)d worker is alive", "%(count)d workers are alive", number)
    read = listed(
        _("%(queue)s by %(workers)d") % {"queue": queue, "workers": len(situation.readers[queue])}
        for queue in needed
    )
    return _("%(workers)s: %(queues)s") % {"workers": alive % {"count": number}, "queues": read}


def _some_silent(found: str, silent: list[WorkerProcess]) -> Finding:
    about = {
        "found": found,
        "seconds": f"{conf().worker_lost_seconds:g}",
        "workers": listed(worker.name for worker in silent[:3]),
    }
    return warning(
        _("%(found)s; silent for more than %(seconds)s s: %(workers)s") % about,
        _("the relay gives them up by itself; if they are to live, see their logs"),
    )


def _unread(situation: Situation, unread: list[str]) -> Finding:
    waiting = situation.waiting
    text = _("nobody reads %(queues)s") % {
        "queues": listed(
            f"{queue} ({due_runs_text(waiting[queue].due)})" if queue in waiting else queue
            for queue in unread
        )
    }
    if not situation.workers:
        text = in_turn([_("no worker is alive"), text])
    strange = [queue for queue in unread if queue not in current_app.amqp.queues]
    known = [queue for queue in unread if queue not in strange]
    cures = [_("type: manage.py worker --queues %(queue)s") % {"queue": ",".join(known)}]
    return problem(text, in_turn([*(cures if known else []), *map(_strange, strange)]))


def _strange(queue: str) -> str:
    return _(
        "%(queue)s is no queue of this project: add it to CELERY_TASK_QUEUES and start a worker "
        "for it, or cancel its runs in the admin"
    ) % {"queue": queue}


def backlog(situation: Situation) -> Finding:
    """Nothing has been due for too long in a queue that is read and not paused."""
    waiting = situation.waiting
    if not waiting:
        return ok(_("nothing is due"))
    text = in_turn(
        waiting_text(each.name, each.due, each.oldest_seconds) for each in waiting.values()
    )
    late = [each for each in waiting.values() if each.is_late]
    if not late:
        return ok(text)
    judge = problem if any(each.is_critically_late for each in late) else warning
    remedy = _(
        "see that its workers work, or add one: manage.py worker --name more --queues %(queues)s"
    )
    return judge(text, remedy % {"queues": ",".join(each.name for each in late)})


def paused_queues(situation: Situation) -> Finding:
    """No queue is paused: somebody may have forgotten it."""
    if not situation.pauses:
        return ok(_("no queue is paused"))
    return warning(
        in_turn(_pause_text(each, situation) for each in situation.pauses.values()),
        in_turn(
            _("type: manage.py queue resume %(queue)s") % {"queue": queue}
            for queue in situation.pauses
        ),
    )


def _pause_text(paused: QueuePause, situation: Situation) -> str:
    about = {
        "queue": paused.queue,
        "name": paused.paused_by,
        "span": span((situation.now - paused.since).total_seconds()),
        "reason": paused.reason,
    }
    if paused.until is None:
        return _("%(name)s paused %(queue)s %(span)s ago, without an end: %(reason)s") % about
    about["left"] = span((paused.until - situation.now).total_seconds())
    return _("%(name)s paused %(queue)s %(span)s ago, for another %(left)s: %(reason)s") % about


# Schedules


def schedules_off(situation: Situation) -> Finding:
    """No schedule is switched off: somebody may have forgotten it."""
    found = apps.is_installed(BEAT) and situation.once(
        "schedules off",
        lambda: schedule_states(off_schedules(situation.now)[:MOST_NAMED], now=situation.now),
    )
    if not found:
        return ok(_("no schedule is switched off"))
    return warning(
        in_turn(f"{each.name} ({each.trouble})" for each in found),
        _("switch it on in the admin under Schedules, or delete it if nobody needs it"),
    )


# What live workers report


def known_work(situation: Situation) -> Mapping[Work, str]:
    """The work that any live worker knows, as the worker that started last knows it."""
    found: dict[Work, str] = {}
    for worker in sorted(situation.workers, key=lambda each: (each.started_at, each.pk)):
        found |= _known_by(worker)
    return found


def _known_by(worker: WorkerProcess) -> Mapping[Work, str]:
    registered = worker.registered or {}
    found = {("handler", name): "" for name in registered.get("handlers", ())}
    found |= {("task", name): takes for name, takes in registered.get("tasks", {}).items()}
    types = registered.get("event_types", {}).items()
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
        return ok(_("all workers know the same handlers, tasks and event types"))
    text = in_turn(
        _("%(worker)s does not know %(work)s, or in another version")
        % {"worker": name, "work": _shortened(lacking)}
        for name, lacking in list(older.items())[:SHOWN]
    )
    return warning(
        text,
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
    lacking = (work for work, registered in newest.items() if mine.get(work) != registered)
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
        return ok(_("the workers' clocks agree with the database's"))
    worst = max(map(abs, wrong.values()))
    judge = problem if worst >= CLOCK_PROBLEM_SECONDS else warning
    return judge(
        in_turn(_offset_text(name, seconds) for name, seconds in list(wrong.items())[:SHOWN]),
        _(
            "let their hosts keep time by NTP: timedatectl set-ntp true; runs are judged by the "
            "database's clock, but log lines carry their host's"
        ),
    )


def _offset_text(name: str, seconds: float) -> str:
    ahead = _("%(worker)s is %(seconds).0f s ahead of the database")
    behind = _("%(worker)s is %(seconds).0f s behind the database")
    return (ahead if seconds > 0 else behind) % {"worker": name, "seconds": abs(seconds)}
