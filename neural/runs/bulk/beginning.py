"""Begins a bulk action: checks what a person asks for, and records it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from neural.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.models import AuditOutcome, AuditSource, BulkAction, TaskRun
from neural.runs.bulk.asking import ask_for_slices
from neural.runs.bulk.checking import Wanted, meant, problems_of
from neural.runs.bulk.counting import keys_of
from neural.runs.bulk.recording import record
from neural.runs.query import RunQuery


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
