"""The runs of a schedule in the ledger, told by their task ids, and starting one by hand.

A run's task id names its schedule and the time: ``schedule-7-2026-03-02T01:01:30.000000Z`` is what
beat recorded for a due time, and ``schedule-7-2026-03-02T01:05:00.123456Z-4f1c9a`` what a person
asked for. So all runs of a schedule lie side by side in the index of task ids, in the order of
these times, whatever the order of letters that the database uses.
"""

import datetime as dt
import secrets
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.utils.json import loads

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.celeryapp.task import LedgerTask
from neural.kit.errors import NeuralError
from neural.models import RunState, TaskRun
from neural.runs.models.run import TaskRunQuerySet

# As long as a time in a task id, and of the same shape.
_FIRST, _LAST = "1970-01-01T00:00:00.000000Z", "2999-12-31T23:59:59.999999Z"
MOST_UNFINISHED_LOOKED_AT = 1000
"""How many of a schedule's newest runs the guard against overlaps reads."""


def prefix_of(schedule_id: int) -> str:
    """How the task ids of a schedule's runs begin."""
    return f"schedule-{schedule_id}-"


def run_id(schedule_id: int, due_at: dt.datetime) -> str:
    """The task id of the run that beat records for a due time."""
    return f"{prefix_of(schedule_id)}{_instant(due_at)}"


def run_id_by_hand(schedule_id: int, now: dt.datetime) -> str:
    """A task id for a run that a person asks for."""
    return f"{run_id(schedule_id, now)}-{secrets.token_hex(3)}"


def _instant(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def runs_of(schedule_id: int) -> TaskRunQuerySet:
    """All runs of a schedule, newest first."""
    prefix = prefix_of(schedule_id)
    near = TaskRun.objects.filter(task_id__gte=prefix + _FIRST, task_id__lte=prefix + _LAST + "-z")
    # Some orders of letters leave out hyphens, and put other schedules' runs in between.
    return near.filter(task_id__startswith=prefix).order_by("-task_id")


def unfinished_run_of(schedule_id: int) -> str:
    """The task id of a run of this schedule that waits or works, among its newest runs; empty if
    there is none."""
    newest = runs_of(schedule_id).values_list("task_id", "state")[:MOST_UNFINISHED_LOOKED_AT]
    states = (RunState.PENDING, RunState.RUNNING)
    return next((task_id for task_id, state in newest.iterator() if state in states), "")


def newest_run(visible: TaskRunQuerySet) -> Subquery:
    """For a query of PeriodicTask: the key of each schedule's newest run among the visible ones."""
    prefix = Concat(Value("schedule-"), Cast(OuterRef("pk"), CharField()), Value("-"))
    theirs = visible.filter(
        task_id__gte=Concat(prefix, Value(_FIRST)),
        task_id__lte=Concat(prefix, Value(_LAST + "-z")),
        task_id__startswith=prefix,
    )
    return Subquery(theirs.order_by("-task_id").values("pk")[:1])


# Starting one by hand


class MessageNotSent(NeuralError):
    """A plain task's message could not be sent, and nothing keeps it until it can be."""


def run_now(schedule: Any, username: str) -> str:
    """Ask for one run of a schedule, switched on or off, with all its options; returns its task id.

    A ledger task's run is recorded in the person's name. A plain task's message names the schedule,
    as always. Raises LookupError if there is no such task, :class:`MessageNotSent` for a plain task
    while the broker accepts no message, and what ``apply_async`` raises.
    """
    task = current_app.tasks.get(schedule.task)
    if task is None:
        raise LookupError(_("there is no task of the name %(task)s") % {"task": schedule.task})
    now = timezone.now()
    given = options_of(schedule)
    if schedule.expires and schedule.expires <= now:
        del given["expires"]  # the schedule has ended, and the person wants this run all the same
    if isinstance(task, LedgerTask):
        given |= {"requested_by": username, "task_id": run_id_by_hand(schedule.pk, now)}
    elif not current_app.conf.task_always_eager:
        _must_be_accepted()
    arguments = arguments_of(schedule)
    must_take(task, *arguments)
    return str(task.apply_async(*arguments, **given).id)


def try_out(schedule: Any) -> None:
    """Raise what would refuse a run of this schedule. Nothing is recorded or sent.

    Of a task that is not known here nothing can be said: it may be one of other code.
    """
    task = current_app.tasks.get(schedule.task)
    if not isinstance(task, LedgerTask):
        must_take(task, *arguments_of(schedule))
        return
    with transaction.atomic():
        run_now(schedule, username="")
        transaction.set_rollback(True)


def must_take(task: Any, args: Any, kwargs: Any) -> None:
    """Raise TypeError for arguments that the task does not take, as its ``apply_async`` would."""
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise TypeError("the arguments are no JSON list, or the keyword arguments no JSON object")
    if task is not None and task.typing:
        task.__header__(*args, **kwargs)


def arguments_of(schedule: Any) -> tuple[Any, Any]:
    """The arguments and keyword arguments of a schedule, as its row says."""
    return loads(schedule.args or "[]"), loads(schedule.kwargs or "{}")


def _must_be_accepted() -> None:
    """Raise :class:`MessageNotSent` while the broker accepts no message.

    The publisher finds that out within about a second, and at once while it knows. Celery's own
    connection would make the person wait for several, and then raise an error of a socket.
    """
    try:
        publisher().must_accept()
    except BrokerUnavailable as error:
        raise MessageNotSent(
            _(
                "the broker accepts no message now, and this task is not one of the ledger, which "
                "would keep its run; run it again when the broker is back"
            )
        ) from error


def options_of(schedule: Any) -> dict[str, Any]:
    """The options with which beat runs a schedule."""
    given = {
        "queue": schedule.queue,
        "exchange": schedule.exchange,
        "routing_key": schedule.routing_key,
        "priority": schedule.priority,
        "expires": schedule.expires_,
    }
    headers = {**loads(schedule.headers or "{}"), "periodic_task_name": schedule.name}
    chosen = {name: value for name, value in given.items() if value is not None and value != ""}
    return {**chosen, "headers": headers}
