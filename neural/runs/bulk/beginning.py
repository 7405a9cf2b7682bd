"""Begins a bulk action: checks what a person asks for (a sentence for each field that is wrong),
counts the runs that are meant, up to a number and within a time, and records it once.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from neural.errors import NeuralError
from neural.keyset.walks import Place
from neural.ledger import ports
from neural.ledger.clock import database_clock
from neural.models import AuditOutcome, AuditSource, BulkAction, BulkVerb, RunState, TaskRun
from neural.runs.bulk.deciding import ask_for_slices, record
from neural.runs.bulk.verbs import EFFECTS, QUEUE, is_permitted
from neural.runs.query import RunQuery
from neural.runs.selecting import select

MOST_CHOSEN = 10_000
"""Runs that are chosen one by one."""
LONGEST_REASON = 500
FASTEST = 100_000
"""The highest pace, in runs a second."""
MOST_COUNTED = 10_000
LONGEST_SECONDS = 2.0
PAGE = 1000

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asks for."""

    verb: str
    user: Any
    reason: str
    token: str
    query: RunQuery | None
    run_ids: Sequence[int] | None
    values: Mapping[str, Any]
    pace: int | None


def meant(verb: str, query: RunQuery) -> RunQuery:
    """The query with the verb's usual state, if it names none."""
    return query if query.state else replace(query, state=EFFECTS[verb].usual_state)


def problems_of(wanted: Wanted) -> dict[str, str]:
    """What is wrong with it, by field."""
    if wanted.verb not in BulkVerb.values:
        return {"verb": _("There is no action “%(name)s”.") % {"name": wanted.verb}}
    found = {
        "verb": _of_permission(wanted),
        "runs": _of_choice(wanted),
        "reason": _of_reason(wanted),
        "pace": _of_pace(wanted),
        QUEUE: _of_queue(wanted),
        "token": _of_token(wanted),
    }
    return {name: text for name, text in found.items() if text}


def _of_permission(wanted: Wanted) -> str:
    if is_permitted(wanted.verb, wanted.user):
        return ""
    label = BulkVerb(wanted.verb).label
    return _("%(action)s needs a permission that you do not have.") % {"action": label}


def _of_choice(wanted: Wanted) -> str:
    if wanted.run_ids is not None:
        if not wanted.run_ids:
            return _("No run is chosen.")
        if len(wanted.run_ids) > MOST_CHOSEN:
            text = _("%(count)d runs are chosen; at most %(most)d can be. Choose by a filter.")
            return text % {"count": len(wanted.run_ids), "most": MOST_CHOSEN}
        return ""
    state = meant(wanted.verb, wanted.query or RunQuery()).state
    if state in EFFECTS[wanted.verb].states:
        return ""
    values = {"action": BulkVerb(wanted.verb).label, "state": RunState(state).label}
    return _("%(action)s changes no run in the state “%(state)s”.") % values


def _of_reason(wanted: Wanted) -> str:
    if not wanted.reason:
        return _("Say why: the reason stands in the audit log.")
    if len(wanted.reason) > LONGEST_REASON:
        text = _("The reason has %(length)d characters; at most %(most)d are kept.")
        return text % {"length": len(wanted.reason), "most": LONGEST_REASON}
    return ""


def _of_token(wanted: Wanted) -> str:
    if not 0 < len(wanted.token) <= 64:
        return _("The form has no token.")
    if BulkAction.objects.filter(token=wanted.token).exists():
        return _("This form is of another user.")
    return ""


def _of_pace(wanted: Wanted) -> str:
    if wanted.pace is None or 1 <= wanted.pace <= FASTEST:
        return ""
    return _("The pace is from 1 to %(most)d runs a second.") % {"most": FASTEST}


def _of_queue(wanted: Wanted) -> str:
    if not EFFECTS[wanted.verb].needs_queue:
        return ""
    queue = wanted.values.get(QUEUE)
    if isinstance(queue, str) and queue and ports.has_queue(queue):
        return ""
    return _("There is no queue “%(name)s”.") % {"name": queue or ""}


def keys_of(query: RunQuery, user: Any) -> Sequence[int] | None:
    """The keys of the runs that match, rising; None if they are more than :data:`MOST_COUNTED`, or
    would take too long."""
    found: list[int] = []
    for keys, is_last in pages(query, user, seconds=LONGEST_SECONDS):
        found += keys
        if is_last:
            return sorted(found)
    return None


def pages(
    query: RunQuery, user: Any, *, seconds: float, clock: Clock = time.monotonic
) -> Iterator[tuple[Sequence[int], bool]]:
    """The keys of the newest runs that match, and whether these are the last: up to
    :data:`MOST_COUNTED`, for so many seconds. Each page is one bounded query."""
    end, counted, place, selection = clock() + seconds, 0, Place(), select(query, user)
    while counted < MOST_COUNTED:
        page = selection.page(place=place, size=min(PAGE, MOST_COUNTED - counted))
        counted += len(page.keys)
        yield page.keys, not page.more
        onward = page.stopped_at if page.stopped_at is not None else min(page.keys, default=None)
        if not page.more or onward is None or clock() >= end:
            return
        place = Place(before=onward)


class BulkActionRefused(NeuralError):
    """A bulk action cannot be begun like this; :attr:`problems` has a sentence for each field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class Begun:
    """A bulk action, and whether this call began it."""

    action: BulkAction
    is_new: bool


def begin(
    *,
    verb: str,
    user: Any,
    reason: str,
    token: str,
    query: RunQuery | None = None,
    run_ids: Sequence[int] | None = None,
    values: Mapping[str, Any] | None = None,
    pace: int | None = None,
    source: AuditSource = AuditSource.ADMIN,
) -> Begun:
    """Record a bulk action and the run that does it, in one transaction.

    It acts on the runs with the primary keys ``run_ids``, or on all that match ``query``: of the
    user's stores, and recorded until now. ``values`` has the queue of a move, ``pace`` is the most
    runs a second. ``token`` names the form that asks: with the token of an action of this user,
    that action is returned. Raises :class:`BulkActionRefused`.
    """
    wanted = Wanted(
        verb=verb,
        user=user,
        reason=" ".join(reason.split()),
        token=token,
        query=query if run_ids is None else None,
        run_ids=None if run_ids is None else sorted(set(run_ids)),
        values=dict(values or {}),
        pace=pace,
    )
    if found := _begun_before(wanted):
        return found
    if problems := problems_of(wanted):
        raise BulkActionRefused(problems)
    try:
        with transaction.atomic():
            return Begun(_record(wanted, source), is_new=True)
    except IntegrityError:
        if found := _begun_before(wanted):  # by the same form, at the same time
            return found
        raise


def _begun_before(wanted: Wanted) -> Begun | None:
    found = BulkAction.objects.filter(token=wanted.token, user_id=str(wanted.user.pk)).first()
    return Begun(found, is_new=False) if found else None


def _record(wanted: Wanted, source: AuditSource) -> BulkAction:
    query, run_ids = _fixed(wanted)
    action = BulkAction.objects.create(
        verb=wanted.verb,
        query={} if query is None else query.params(),
        run_ids=run_ids,
        values=wanted.values,
        reason=wanted.reason,
        pace=wanted.pace,
        requested_by=wanted.user.get_username(),
        user_id=str(wanted.user.pk),
        token=wanted.token,
        up_to=_newest(run_ids),
        expected=None if run_ids is None else len(run_ids),
    )
    ask_for_slices(action)
    record(action, AuditOutcome.BEGUN, source=source)
    return action


def _fixed(wanted: Wanted) -> tuple[RunQuery | None, Sequence[int] | None]:
    """The query that means the same later, and the runs that match it now, if they can be
    counted."""
    if wanted.run_ids is not None:
        return None, wanted.run_ids
    query = meant(wanted.verb, wanted.query or RunQuery()).at(database_clock())
    return query, keys_of(query, wanted.user)


def _newest(run_ids: Sequence[int] | None) -> int:
    if run_ids:
        return max(run_ids)
    return TaskRun.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
