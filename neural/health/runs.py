"""Probes of runs that need a person: those that do not finish by themselves, failures (failed
attempts, dead runs, refused events), and batches that nothing ends.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator

from celery import current_app
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.events.registry import HandlerUnknown, handler
from neural.health.findings import (
    COUNTED,
    Finding,
    in_turn,
    listed,
    ok,
    problem,
    runs_text,
    span,
    warning,
)
from neural.health.situation import Situation
from neural.health.workers import known_work
from neural.kit.conf import conf
from neural.kit.tasks import load_tasks
from neural.ledger.work import work_text
from neural.models import (
    AttemptOutcome,
    Batch,
    RefusedEvent,
    RunState,
    TaskAttempt,
    TaskRun,
)
from neural.runs.models.run import TaskRunQuerySet
from neural.worker.recovery import hard_limit

# Seconds that a worker needs after the hard limit to end the process and to record it.
LIMIT_MARGIN_SECONDS = 60
DEFAULT_LIMIT_SECONDS = 300
# If there is a relay, it starts the runs of a lost worker again within this many seconds.
RECOVERY_SECONDS = 60
Number = tuple[str, str, int]
"""A kind of work, its name, and how many runs of it are open."""
RECENTLY_DEAD = RECENTLY_REFUSED = dt.timedelta(days=1)
RECENTLY_FAILED = dt.timedelta(minutes=10)
FORGOTTEN = dt.timedelta(days=1)
"""A batch of this age of which no run waits or works is one that somebody has forgotten."""
MANY = 10
"""From this many failed attempts on, the probe warns. Retries are meant for fewer."""


def stuck_runs(situation: Situation) -> Finding:
    """No run has run for longer than its hard limit allows."""
    limit = (current_app.conf.task_time_limit or DEFAULT_LIMIT_SECONDS) + LIMIT_MARGIN_SECONDS
    since = situation.now - dt.timedelta(seconds=limit)
    stuck = TaskRun.objects.running().filter(started_at__lt=since).select_related("worker")
    long = situation.once("stuck runs", lambda: list(stuck[:COUNTED]))
    found = [run for run in long if _is_beyond_its_limit(run, situation.now)]
    if not found:
        return ok(_("none has run for longer than %(span)s") % {"span": span(limit)})
    run = min(found, key=lambda each: each.started_at or situation.now)
    holders = {each.worker.name if each.worker else _("no worker") for each in found}
    about = {
        "runs": runs_text(len(found)),
        "span": span(limit),
        "run": run.task_id,
        "work": work_text(run.work_name),
        "workers": listed(sorted(holders)[:3]),
    }
    return problem(
        _("%(runs)s longer than %(span)s, such as %(run)s of %(work)s, held by %(workers)s")
        % about,
        _("restart that worker: SIGTERM to its main process hands its runs back"),
    )


def _is_beyond_its_limit(run: TaskRun, now: dt.datetime) -> bool:
    """A task may have a longer limit of its own."""
    limit = (hard_limit(run) or DEFAULT_LIMIT_SECONDS) + LIMIT_MARGIN_SECONDS
    return run.started_at is not None and now - run.started_at > dt.timedelta(seconds=limit)


def lost_runs(situation: Situation) -> Finding:
    """No run is held by a lost or stopped worker."""
    silent_since = situation.now - dt.timedelta(
        seconds=conf().worker_lost_seconds + RECOVERY_SECONDS
    )
    gone_before = situation.now - dt.timedelta(seconds=RECOVERY_SECONDS)
    gone = Q(worker__stopped_at=None, worker__lost_at=None, worker__heartbeat_at__lt=silent_since)
    held = TaskRun.objects.running().alias(
        gone_at=Coalesce("worker__lost_at", "worker__stopped_at")
    )
    lost = held.filter(gone | Q(gone_at__lt=gone_before)).select_related("worker")
    found = situation.once("lost runs", lambda: list(lost[:COUNTED]))
    if not found:
        return ok(_("none is held by a worker that is gone"))
    names = sorted({run.worker.name for run in found if run.worker})
    return problem(
        _("%(runs)s held by %(workers)s, which is gone")
        % {"runs": runs_text(len(found)), "workers": listed(names[:3])},
        _("no relay has started them again: start a worker, or type: manage.py relay --once"),
    )


def unregistered_work(situation: Situation) -> Finding:
    """Every run that waits, runs or is dead has its task and handler in this code, and each that
    waits has it in a living worker."""
    load_tasks()
    work = situation.once("work", lambda: list(_named_work()))
    unknown = situation.once("unregistered", lambda: _unregistered(work))
    if unknown:
        died = (f"manage.py retry_runs --{what} {name}" for what, name, number in unknown[:3])
        text = _(
            "deploy the app that has it; what has died meanwhile: %(commands)s. Or cancel or "
            "discard the runs in the admin"
        )
        return problem(
            _("no installed app registers %(work)s") % {"work": _works_text(unknown)},
            text % {"commands": in_turn(died)},
        )
    waiting = situation.once("known by nobody", lambda: _known_by_nobody(situation, work))
    if not waiting:
        return ok(_("every run's task and handler is registered"))
    text = _(
        "restart the workers in the version that has it; runs that nobody knows for "
        "%(span)s are dead then"
    )
    return problem(
        _("no living worker knows %(work)s") % {"work": _works_text(waiting)},
        text % {"span": span(conf().unknown_work_seconds)},
    )


def _works_text(works: list[Number]) -> str:
    return listed(f"{what} {name} ({runs_text(number)})" for what, name, number in works)


def _unregistered(work: list[tuple[str, str, TaskRunQuerySet]]) -> list[Number]:
    return [
        (what, name, number)
        for what, name, runs in work
        if not _is_registered(what, name) and (number := _open_runs(runs))
    ]


def _known_by_nobody(
    situation: Situation, work: list[tuple[str, str, TaskRunQuerySet]]
) -> list[Number]:
    """Work that is registered here, but in no worker that reads its runs."""
    known = known_work(situation)
    # A worker of an older version does not say what it knows, and may know the work.
    if not known or any(each.queues and not each.registered for each in situation.workers):
        return []
    return [
        (what, name, number)
        for what, name, runs in work
        if (what, name) not in known and (number := _open_runs(runs, RunState.PENDING))
    ]


def _named_work() -> Iterator[tuple[str, str, TaskRunQuerySet]]:
    """Every handler and every task of the ledger, found by index jumps."""
    of_handlers = TaskRun.objects.exclude(handler="")
    for name in _names(of_handlers, "handler"):
        yield "handler", name, of_handlers.filter(handler=name)
    of_tasks = TaskRun.objects.filter(event=None)
    for name in _names(of_tasks, "task"):
        yield "task", name, of_tasks.filter(task=name)


def _names(runs: TaskRunQuerySet, column: str) -> Iterator[str]:
    name = ""
    in_order = runs.order_by(column).values_list(column, flat=True)
    while name := in_order.filter(**{f"{column}__gt": name}).first() or "":
        yield name


def _is_registered(what: str, name: str) -> bool:
    if what == "task":
        return name in current_app.tasks
    try:
        handler(name)
    except HandlerUnknown:
        return False
    return True


def _open_runs(runs: TaskRunQuerySet, *states: RunState) -> int:
    """How many of the newest runs have not ended well. Older ones are not counted."""
    states = states or (RunState.PENDING, RunState.RUNNING, RunState.DEAD)
    newest = runs.order_by("-pk").values_list("state", flat=True)[:COUNTED]
    return sum(state in states for state in newest)


# Failures


def failing_attempts(situation: Situation) -> Finding:
    """Few attempts have failed recently. Dead letters come only after the retries."""
    failed = situation.once("failures", lambda: _failed_recently(situation))
    text = ngettext(
        "%(count)s attempt failed in the last %(span)s",
        "%(count)s attempts failed in the last %(span)s",
        len(failed),
    ) % {"count": f"{len(failed):,}", "span": span(RECENTLY_FAILED.total_seconds())}
    if len(failed) < MANY:
        return ok(text)
    work, number = Counter(each.run.work_name for each in failed).most_common(1)[0]
    error = next(each.error for each in failed if each.run.work_name == work)
    about = {"told": text, "count": number, "work": work_text(work), "error": error}
    return warning(
        _("%(told)s, %(count)d of %(work)s, the last: %(error)s") % about,
        _(
            "mend what it says; the tracebacks are in the admin under Runs. Retries come by "
            "themselves; what dies meanwhile: manage.py retry_runs --dry-run"
        ),
    )


def _failed_recently(situation: Situation) -> list[TaskAttempt]:
    attempts = situation.mine(TaskAttempt.objects.all(), "-pk", store="run__store")
    newest = attempts.order_by("-pk").select_related("run")
    columns = ("outcome", "finished_at", "error", "run__task", "run__handler")
    since = situation.now - RECENTLY_FAILED
    return [
        each
        for each in newest.only(*columns)[:COUNTED]
        if each.outcome == AttemptOutcome.FAILED and each.finished_at > since
    ]


def dead_letters(situation: Situation) -> Finding:
    """No run has died recently."""
    recent = situation.once("dead letters", lambda: _dead_recently(situation))
    within = span(RECENTLY_DEAD.total_seconds())
    if not recent:
        return ok(_("none in the last %(span)s") % {"span": within})
    last = recent[0]
    about = {
        "runs": runs_text(len(recent)),
        "span": within,
        "run": last.task_id,
        "work": work_text(last.work_name),
        "error": last.error or _("no error is recorded"),
    }
    return warning(
        _("%(runs)s died in the last %(span)s, such as %(run)s of %(work)s: %(error)s") % about,
        _(
            "see what they have in common: manage.py retry_runs --dry-run; mend it, then type: "
            "manage.py retry_runs --since 1d; or discard them in the admin"
        ),
    )


def _dead_recently(situation: Situation) -> list[TaskRun]:
    columns = ("task_id", "task", "handler", "error", "finished_at")
    dead = situation.mine(TaskRun.objects.dead(), "-pk")
    newest = dead.order_by("-pk").only(*columns)[:COUNTED]
    since = situation.now - RECENTLY_DEAD
    return [run for run in newest if (run.finished_at or situation.now) > since]


def refused_events(situation: Situation) -> Finding:
    """Every event that was refused recently has been corrected or dismissed."""
    lately = RefusedEvent.objects.open().filter(
        last_refused_at__gt=situation.now - RECENTLY_REFUSED
    )
    columns = ("type", "event_id", "store_code", "source", "problems", "last_refused_at")
    newest = lately.in_stores(situation.stores).order_by("-last_refused_at").only(*columns)
    found = situation.once("refused events", lambda: list(newest[:COUNTED]))
    within = {"span": span(RECENTLY_REFUSED.total_seconds())}
    if not found:
        return ok(_("none in the last %(span)s") % within)
    about = within | {"events": _events_text(len(found)), "last": _refusal_text(found[0])}
    return warning(
        _("%(events)s in the last %(span)s, such as %(last)s") % about,
        _(
            "correct and submit them, or dismiss them, in the admin under Refused events; where "
            "one source is refused again and again, mend what it sends"
        ),
    )


def _events_text(number: int) -> str:
    if number >= COUNTED:
        return _("%(count)s events or more were refused") % {"count": f"{number:,}"}
    text = ngettext("%(count)s event was refused", "%(count)s events were refused", number)
    return text % {"count": f"{number:,}"}


def _refusal_text(refused: RefusedEvent) -> str:
    about = {"event": str(refused), "store": refused.store_code or "?"}
    why = next(("{field}: {reason}".format(**each) for each in refused.problems), "?")
    named = _("%(event)s of store %(store)s") % about
    return f"{named} ({why})"


# Batches


def batches(situation: Situation) -> Finding:
    """Every batch has ended, is young, or has a run that waits or works."""
    found = situation.once("batches", lambda: _forgotten(situation))
    about = {"span": span(FORGOTTEN.total_seconds())}
    if not found:
        return ok(_("none waits for longer than %(span)s without a run") % about)
    text = ngettext(
        "%(count)s batch is older than %(span)s and has no run that waits or works: %(name)s",
        "%(count)s batches are older than %(span)s and have no run that waits or works, such as "
        "%(name)s",
        len(found),
    )
    about |= {"count": f"{len(found):,}", "name": str(found[0])}
    remedy = _("close it where it is made (Batch.close()), or cancel the rest on its page")
    return warning(text % about, remedy)


def _forgotten(situation: Situation) -> list[Batch]:
    # A range, in the order of the index of runs by batch (neural.batches.ending).
    runs = TaskRun.objects.filter(batch=OuterRef("pk"))
    unfinished = runs.filter(state__range=(RunState.PENDING, RunState.RUNNING))
    old = Batch.objects.filter(ended_at=None, created_at__lt=situation.now - FORGOTTEN)
    return list(old.filter(~Exists(unfinished)).order_by("pk")[:COUNTED])
