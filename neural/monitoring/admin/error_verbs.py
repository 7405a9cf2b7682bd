"""The actions on error groups: mute, resolve, open; retry or discard their dead runs."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext, pgettext_lazy

from neural.admin import audit
from neural.admin.actions import Verb
from neural.ledger.clock import database_clock
from neural.monitoring.errors.deciding import (
    MOST_AT_ONCE,
    Acted,
    discard_dead,
    mute,
    reopen,
    resolve,
    retry_dead,
)
from neural.monitoring.models import ErrorGroup, ErrorGroupState

DECIDE = "neural_monitoring.decide_errorgroup"
MUTED = gettext_noop("state: muted (mute)")
RESOLVED = gettext_noop("state: resolved (resolve)")
OPENED = gettext_noop("state: open (open again)")
RUNS_RETRIED = gettext_noop("dead runs: pending (retry)")
RUNS_DISCARDED = gettext_noop("dead runs: discarded (discard)")


def _mute(days: int, group: ErrorGroup, user: Any) -> bool:
    return mute(group, user, until=database_clock() + dt.timedelta(days=days))


def _muting(days: int, label: Any, explanation: Any) -> Verb:
    return Verb(
        name=f"mute_{days}",
        label=label,
        explanation=explanation,
        permission=DECIDE,
        apply=partial(_mute, days),
        fits=lambda group: group.state != ErrorGroupState.RESOLVED,
        change=lambda group: MUTED,
        whole_chain=True,
    )


RESOLVE = Verb(
    name="resolve",
    label=_("Resolve"),
    explanation=_("Resolve: an attempt that begins from now on and fails opens the group again"),
    permission=DECIDE,
    apply=resolve,
    fits=lambda group: group.state != ErrorGroupState.RESOLVED,
    change=lambda group: RESOLVED,
    whole_chain=True,
)
OPEN = Verb(
    name="open",
    label=pgettext_lazy("error group", "Open again"),
    explanation=_("Open again: take muting or resolving back"),
    permission=DECIDE,
    apply=reopen,
    fits=lambda group: group.state != ErrorGroupState.OPEN,
    change=lambda group: OPENED,
    whole_chain=True,
)


def _on_runs(
    act: Callable[[ErrorGroup, Any], Acted], change: Callable[[], str], group: Any, user: Any
) -> bool:
    acted = act(group, user)
    audit.log_changes(user=user, rows=acted.runs, change=change())
    group.acted = acted
    return bool(acted.runs)


def _told(group: Any) -> tuple[int, str]:
    """How many runs were changed, and whether another press is needed."""
    acted: Acted = group.acted
    count = len(acted.runs)
    if acted.more:
        text = ngettext(
            "%(count)d run was changed, the most at once. There are more: press again.",
            "%(count)d runs were changed, the most at once. There are more: press again.",
            count,
        )
        return messages.WARNING, text % {"count": count}
    text = ngettext("%(count)d run was changed.", "%(count)d runs were changed.", count)
    return messages.SUCCESS, text % {"count": count}


def _has_dead(group: Any) -> bool:
    return bool(group.figures.dead)


RETRY_RUNS = Verb(
    name="retry_runs",
    label=_("Retry dead runs"),
    explanation=format_lazy(
        _("Retry dead runs: run the dead runs of the group again, {count} at once"),
        count=MOST_AT_ONCE,
    ),
    permission="neural.retry_taskrun",
    apply=partial(_on_runs, retry_dead, lambda: audit.RETRIED["dead"]),
    fits=_has_dead,
    change=lambda group: RUNS_RETRIED,
    message_for=_told,
)
DISCARD_RUNS = Verb(
    name="discard_runs",
    label=_("Discard dead runs"),
    explanation=format_lazy(
        _("Discard dead runs: decide that they stay undone, {count} at once"), count=MOST_AT_ONCE
    ),
    permission="neural.discard_taskrun",
    apply=partial(_on_runs, discard_dead, lambda: audit.DISCARDED),
    fits=_has_dead,
    change=lambda group: RUNS_DISCARDED,
    message_for=_told,
)
VERBS = (
    RETRY_RUNS,
    DISCARD_RUNS,
    RESOLVE,
    _muting(1, _("Mute for a day"), _("Mute for a day: count on, but tell nobody for a day")),
    _muting(7, _("Mute for a week"), _("Mute for a week: count on, but tell nobody for a week")),
    _muting(
        30, _("Mute for 30 days"), _("Mute for 30 days: count on, but tell nobody for 30 days")
    ),
    OPEN,
)
