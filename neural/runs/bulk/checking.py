"""Checks what a person asks of a bulk action: a sentence for each field that is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from neural.ledger import ports
from neural.models import BulkAction, BulkVerb, RunState
from neural.runs.bulk.verbs import EFFECTS, QUEUE, is_permitted
from neural.runs.query import RunQuery

MOST_CHOSEN = 10_000
"""Runs that are chosen one by one."""
LONGEST_REASON = 500
FASTEST = 100_000
"""The highest pace, in runs a second."""


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
    return {name: told for name, told in found.items() if told}


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
            told = _("%(count)d runs are chosen; at most %(most)d can be. Choose by a filter.")
            return told % {"count": len(wanted.run_ids), "most": MOST_CHOSEN}
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
        told = _("The reason has %(length)d characters; at most %(most)d are kept.")
        return told % {"length": len(wanted.reason), "most": LONGEST_REASON}
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
    if wanted.verb != BulkVerb.MOVE:
        return ""
    queue = wanted.values.get(QUEUE)
    if isinstance(queue, str) and queue and ports.has_queue(queue):
        return ""
    return _("There is no queue “%(name)s”.") % {"name": queue or ""}
