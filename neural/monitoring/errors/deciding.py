"""What people decide about error groups: mute, resolve, open again."""

import datetime as dt
from typing import Any

from django.db.models.functions import Now

from neural.monitoring.models import ErrorGroup, ErrorGroupState


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
        group.refresh_from_db(fields=list(changes))
    return bool(rows)
