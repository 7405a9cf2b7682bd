"""Runs a schedule once at a person's request: as beat would, but in the person's name.

Or only tries whether it would run.
"""

from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.utils.json import loads

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.celeryapp.schedule_runs import run_id_by_hand
from neural.celeryapp.task import LedgerTask
from neural.errors import NeuralError


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
    said = {name: value for name, value in given.items() if value is not None and value != ""}
    return {**said, "headers": headers}
