"""Celery's options of a run, kept in its row so that a message sent again is the same message."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from celery.utils.time import maybe_iso8601
from django.utils import timezone
from kombu.utils.functional import maybe_list

from neural.errors import PermanentError
from neural.ledger.clock import database_clock
from neural.models import TaskRun
from neural.stored_json import from_json, plain

# Options that concern one message and not the work: a message sent again has its own.
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
}


class OptionNotKept(PermanentError):
    """``apply_async`` or ``retry`` was given an option that the ledger does not keep."""


def keep(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``apply_async`` as the ledger keeps them, or :class:`OptionNotKept`."""
    options = {name: value for name, value in given.items() if value is not None}
    _refuse(task, options)
    kept = {name: options[name] for name in _KEPT_AS_THEY_ARE & options.keys()}
    if options.get("stamped_headers"):
        kept["stamped_headers"] = names = list(maybe_list(options["stamped_headers"]))
        kept["stamps"] = {name: options[name] for name in names if name in options}
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
    known = _OF_THE_MESSAGE | _KEPT_AS_THEY_ARE | {"chord", "stamped_headers"}
    stamps = set(maybe_list(options.get("stamped_headers")) or ())
    unknown = sorted(options.keys() - known - stamps)
    if unknown:
        raise OptionNotKept(
            f"{task}: the ledger does not keep {', '.join(unknown)}; "
            "leave it out (where a run goes is said by queue) or use a plain Celery task"
        )


def _moment(expires: Any) -> str:
    """The time of Celery's ``expires``, given as seconds from now, a datetime, or ISO 8601."""
    if isinstance(expires, int | float):
        return (database_clock() + dt.timedelta(seconds=expires)).isoformat()
    return aware(expires).isoformat()


def aware(moment: dt.datetime | str) -> dt.datetime:
    """A time as Celery reads it: ISO 8601 is allowed, and UTC holds if it names no zone."""
    read: dt.datetime = maybe_iso8601(moment)  # type: ignore[assignment]  # it is not None
    return timezone.make_aware(read, dt.UTC) if timezone.is_naive(read) else read


def signatures(run: TaskRun, name: str) -> Sequence[dict[str, Any]]:
    """The callbacks of a run: ``link``, ``link_error`` or the rest of its ``chain``."""
    kept = run.options.get(name)
    return list(from_json(json.dumps(kept))) if kept else []
