"""Error groups for people: what they decide of a group, and groups on the core's pages of runs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.events.changes import runs_changed
from neural.models import BulkVerb
from neural.monitoring.errors.folding import groups_changed
from neural.monitoring.errors.groups import codes_of, failed_runs, groups_for
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun
from neural.runs.bulk.listeners import when_changed
from neural.runs.bulk.previewing import name_errors_by
from neural.runs.filters import RunFilter, register_run_filter

FILTER = "error_group"
"""The parameter: numbers of error groups, separated by commas."""
MOST_GROUPS = 50
ENDED = {BulkVerb.RETRY, BulkVerb.DISCARD}
"""The verbs after which a run is dead no longer."""


def connect() -> None:
    """Register all of it with the core."""
    register_run_filter(OF_GROUPS)
    name_errors_by("error groups", _names)
    when_changed("error groups", note_changed)


def note_changed(verb: str, keys: Sequence[int]) -> None:
    """Note that these runs are dead no longer, before a relay looks."""
    if verb in ENDED:
        note_alive(FailedRun.objects.filter(pk__in=keys, dead=True))


def note_alive(runs: QuerySet[FailedRun]) -> None:
    """Note that these runs, which were dead, are dead no longer."""
    with transaction.atomic():
        runs_changed(runs.values_list("store_id", "pk"))
        runs.update(dead=False)


def _condition(user: Any, value: str) -> Q:
    return Q(pk__in=FailedRun.objects.filter(group__in=_keys(value)).values("run_id"))


def _runs(user: Any, value: str, most: int) -> list[int] | None:
    """A user of few stores may see few runs of a large group."""
    found = failed_runs(codes_of(user)).filter(group__in=_keys(value))
    keys = list(found.order_by().values_list("pk", flat=True)[: most + 1])
    return keys if len(keys) <= most else None


def _keys(value: str) -> Sequence[int]:
    return [int(key) for key in value.split(",")]


def _check(value: str) -> str:
    keys = value.split(",")
    if not all(key.isascii() and key.isdigit() and len(key) < 19 for key in keys):
        return _("“%(value)s” is not the number of an error group.") % {"value": value[:100]}
    if len(keys) > MOST_GROUPS:
        text = _("%(count)d error groups are chosen; at most %(most)d can be.")
        return text % {"count": len(keys), "most": MOST_GROUPS}
    return ""


def _display(user: Any, value: str) -> str:
    """The groups, as far as this user may see them."""
    if not user.has_perm("neural_monitoring.view_errorgroup"):
        return ""
    found = list(groups_for(codes_of(user)).filter(pk__in=_keys(value)).order_by("pk"))
    if len(found) == 1:
        return str(found[0])
    count = len(_keys(value))
    return ngettext("%(count)d group", "%(count)d groups", count) % {"count": count}


def _names(user: Any, keys: Sequence[int]) -> Mapping[int, str]:
    """Runs and the error groups of their last failed attempts."""
    rows = FailedRun.objects.filter(pk__in=keys).values_list("run_id", "group")
    group_of = dict(rows)
    groups = ErrorGroup.objects.in_bulk({*group_of.values()})
    return {run: str(groups[key]) for run, key in group_of.items() if key in groups}


OF_GROUPS = RunFilter(
    name=FILTER,
    label=gettext_lazy("error group"),
    condition=_condition,
    check=_check,
    shown=_display,
    only_failed=True,
    keys=_runs,
)


def mute(group: ErrorGroup, user: Any, *, until: dt.datetime) -> bool:
    """Show the group in no list of open groups and in no alert until then. Returns whether it was
    open or muted otherwise."""
    return _decide(
        group,
        user,
        (ErrorGroupState.OPEN, ErrorGroupState.MUTED),
        state=ErrorGroupState.MUTED,
        muted_until=until,
    )


def resolve(group: ErrorGroup, user: Any) -> bool:
    """Consider the fault corrected: an attempt that begins from now on opens the group again.
    Returns whether it was not resolved."""
    return _decide(
        group,
        user,
        (ErrorGroupState.OPEN, ErrorGroupState.MUTED),
        state=ErrorGroupState.RESOLVED,
        resolved_at=Now(),
        muted_until=None,
    )


def reopen(group: ErrorGroup, user: Any) -> bool:
    """Take a decision back. Returns whether the group was muted or resolved."""
    return _decide(
        group,
        user,
        (ErrorGroupState.MUTED, ErrorGroupState.RESOLVED),
        state=ErrorGroupState.OPEN,
        muted_until=None,
        resolved_at=None,
    )


def _decide(
    group: ErrorGroup, user: Any, allowed: tuple[ErrorGroupState, ...], **changes: Any
) -> bool:
    changes["decided_by"] = user.get_username()
    rows = ErrorGroup.objects.filter(pk=group.pk, state__in=allowed).update(**changes)
    if rows:
        groups_changed([group.pk])
        group.refresh_from_db(fields=list(changes))
    return bool(rows)
