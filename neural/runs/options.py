"""Celery's options of a run, kept in its row so that a message sent again is the same message."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from celery.utils.time import maybe_iso8601
from django.utils import timezone
from kombu.utils.functional import maybe_list

from neural.errors import NeuralError
from neural.models import TaskRun
from neural.runs.results import plain

# What concerns one message on its way and not the work: a message sent again has its own.
_OF_THE_MESSAGE = {
    "producer",
    "publisher",
    "connection",
    "router",
    "retry",
    "retry_policy",
    "serializer",
    "compression",
    "add_to_parent",
    "ignore_result",
    "exchange",
    "routing_key",
    "delivery_mode",
    "periodic_task_name",
    "replaced_task_nesting",
    "reply_to",
    "link",
    "link_error",
    "expires",
}
_KEPT_AS_THEY_ARE = {
    "time_limit",
    "soft_time_limit",
    "headers",
    "chain",
    "root_id",
    "group_id",
    "group_index",
    "shadow",
    "stamped_headers",
}
_OF_THE_NEXT_MESSAGE = ("time_limit", "soft_time_limit", "root_id", "group_id", "shadow")


class OptionNotKept(NeuralError):
    """``apply_async`` was given an option that the ledger does not keep."""


def keep(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``apply_async`` as the ledger keeps them, or :class:`OptionNotKept`."""
    options = {name: value for name, value in given.items() if value is not None}
    _refuse(task, options)
    kept = {name: options[name] for name in _KEPT_AS_THEY_ARE & options.keys()}
    for name in ("link", "link_error"):
        if options.get(name):
            kept[name] = [dict(signature) for signature in maybe_list(options[name])]
    if "expires" in options:
        kept["expires_at"] = _moment(options["expires"])
    kept = {name: value for name, value in kept.items() if value not in ([], {}, ())}
    return dict(plain(kept, what=f"the options of {task}"))


def _refuse(task: str, options: Mapping[str, Any]) -> None:
    if options.get("chord"):
        raise OptionNotKept(
            f"{task}: a chord's header cannot be a ledger task, because its count is kept by the "
            "result backend alone. Use a chain, or let each run look whether it was the last "
            "and ask for the next step with a unique_key"
        )
    known = _OF_THE_MESSAGE | _KEPT_AS_THEY_ARE | {"chord"}
    stamps = set(maybe_list(options.get("stamped_headers")) or ())
    unknown = sorted(options.keys() - known - stamps)
    if unknown:
        raise OptionNotKept(
            f"{task}: the ledger does not keep {', '.join(unknown)}; "
            "leave it out or use a plain Celery task"
        )


def _moment(expires: Any) -> str:
    """Celery's ``expires``: seconds from now, a moment, or a moment in ISO 8601."""
    if isinstance(expires, int | float):
        return (timezone.now() + dt.timedelta(seconds=expires)).isoformat()
    moment: dt.datetime = maybe_iso8601(expires)  # type: ignore[assignment]  # it is not None
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, dt.UTC)  # as Celery reads one, with enable_utc
    return moment.isoformat()


def expires_at(run: TaskRun) -> dt.datetime | None:
    """When a run that has not started is no longer wanted."""
    text = run.options.get("expires_at")
    return dt.datetime.fromisoformat(text) if text else None


def for_message(run: TaskRun) -> dict[str, Any]:
    """What each message of a run says beside its id: limits, headers, whose child it is.

    Not the callbacks, which the ledger starts itself, and not the expiry: Celery would
    drop the message and nobody would write down that the run has expired.
    """
    options = {name: run.options[name] for name in _OF_THE_NEXT_MESSAGE if name in run.options}
    if run.parent_task_id:
        options["parent_id"] = run.parent_task_id
    options["headers"] = run.options.get("headers", {})
    return options


def signatures(run: TaskRun, name: str) -> Sequence[dict[str, Any]]:
    """The callbacks of a run: ``link``, ``link_error`` or the rest of its ``chain``."""
    return run.options.get(name) or []
