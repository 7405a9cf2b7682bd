"""Begins a bulk action: checks what a person asks for (a sentence for each field that is wrong),
counts the runs that are meant, up to a number and within a time, and records it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from neural.kit.errors import NeuralError
from neural.kit.verbs import refusal
from neural.ledger import ports
from neural.ledger.clock import database_clock
from neural.models import AuditOutcome, AuditSource, BulkAction, RunState, TaskRun
from neural.runs.acts import QUEUE, RUN_VERBS, RunVerb
from neural.runs.bulk.deciding import ask_for_slices, record
from neural.runs.query import RunQuery
from neural.runs.selecting import select

MOST_CHOSEN = 10_000
"""Runs that are chosen one by one."""
LONGEST_REASON = 500
FASTEST = 100_000
"""The highest pace, in runs a second."""
LONGEST_SECONDS = 2.0


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


def no_verb(name: str) -> str:
    """That there is no verb of this name, as a sentence; empty if there is."""
    return "" if name in RUN_VERBS else _("There is no action “%(name)s”.") % {"name": name}


def too_many(run_ids: Sequence[Any]) -> str:
    """That more runs are chosen one by one than can be, as a sentence; empty if not."""
    if len(run_ids) <= MOST_CHOSEN:
        return ""
    text = _("%(count)d runs are chosen; at most %(most)d can be. Choose by a filter.")
    return text % {"count": len(run_ids), "most": MOST_CHOSEN}


def no_state(verb: RunVerb, query: RunQuery) -> str:
    """That the verb changes no run that the query means, as a sentence; empty if it may."""
    state = verb.meant(query).state
    if state in verb.states:
        return ""
    values = {"action": verb.label, "state": RunState(state).label}
    return _("%(action)s changes no run in the state “%(state)s”.") % values


def _problems(asked: BulkAction, query: RunQuery, user: Any) -> dict[str, str]:
    """What is wrong with it, by field."""
    if unknown := no_verb(asked.verb):
        return {"verb": unknown}
    verb, found = RUN_VERBS[asked.verb], {}
    if not verb.is_permitted(user):
        found["verb"] = refusal(verb)
    if asked.run_ids is None:
        found["runs"] = no_state(verb, query)
    else:
        found["runs"] = too_many(asked.run_ids) if asked.run_ids else _("No run is chosen.")
    if not asked.reason:
        found["reason"] = _("Say why: the reason stands in the audit log.")
    elif len(asked.reason) > LONGEST_REASON:
        text = _("The reason has %(length)d characters; at most %(most)d are kept.")
        found["reason"] = text % {"length": len(asked.reason), "most": LONGEST_REASON}
    if asked.pace is not None and not 1 <= asked.pace <= FASTEST:
        found["pace"] = _("The pace is from 1 to %(most)d runs a second.") % {"most": FASTEST}
    queue = asked.values.get(QUEUE)
    if verb.needs_queue and not (isinstance(queue, str) and queue and ports.has_queue(queue)):
        found[QUEUE] = _("There is no queue “%(name)s”.") % {"name": queue or ""}
    if not 0 < len(asked.token) <= 64:
        found["token"] = _("The form has no token.")
    elif BulkAction.objects.filter(token=asked.token).exclude(user_id=asked.user_id).exists():
        found["token"] = _("This form is of another user.")
    return {name: text for name, text in found.items() if text}


def begin_bulk_action(
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
    asked = BulkAction(
        verb=verb,
        run_ids=None if run_ids is None else sorted(set(run_ids)),
        values=dict(values or {}),
        reason=" ".join(reason.split()),
        pace=pace,
        requested_by=user.get_username(),
        user_id=str(user.pk),
        token=token,
    )
    same_form = BulkAction.objects.filter(token=token, user_id=asked.user_id)
    if before := same_form.first():
        return Begun(before, is_new=False)
    query = query or RunQuery()
    if problems := _problems(asked, query, user):
        raise BulkActionRefused(problems)
    try:
        with transaction.atomic():
            _record(asked, query, user, source)
    except IntegrityError:
        if before := same_form.first():  # by the same form, at the same time
            return Begun(before, is_new=False)
        raise
    return Begun(asked, is_new=True)


def _record(action: BulkAction, query: RunQuery, user: Any, source: AuditSource) -> None:
    """Record the query that means the same later, and the runs that match it now, if they can be
    counted."""
    if action.run_ids is None:
        query = RUN_VERBS[action.verb].meant(query).at(database_clock())
        action.query = query.params()
        keys, is_more = select(query, user).newest(seconds=LONGEST_SECONDS)
        action.run_ids = None if is_more else sorted(keys)
    action.expected = None if action.run_ids is None else len(action.run_ids)
    newest = TaskRun.objects.order_by("-pk").values_list("pk", flat=True)
    action.up_to = max(action.run_ids) if action.run_ids else newest.first() or 0
    action.save(force_insert=True)
    ask_for_slices(action)
    record(action, AuditOutcome.BEGUN, source=source)
