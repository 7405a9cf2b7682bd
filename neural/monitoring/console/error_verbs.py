"""The actions on error groups: mute, resolve, open; retry or discard their dead runs."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from neural.admin.actions import Verb
from neural.admin.display import page_address
from neural.kit.sites import address_in_admin
from neural.ledger.clock import database_clock
from neural.models import RunState
from neural.monitoring.errors.acting import FILTER, mute, reopen, resolve
from neural.monitoring.models import ErrorGroupState, FailedRun
from neural.runs.acts import CHOSEN, DISCARD, RETRY, RunVerb, preview_address
from neural.runs.query import EVER

DECIDE = "neural_monitoring.decide_errorgroup"
MUTED = gettext_noop("state: muted (mute)")
RESOLVED = gettext_noop("state: resolved (resolve)")
OPENED = gettext_noop("state: open (open again)")


def _muting(days: int, label: Any, explanation: Any) -> Verb:
    return Verb(
        name=f"mute_{days}",
        label=label,
        explanation=explanation,
        permission=DECIDE,
        apply=lambda group, user: mute(
            group, user, until=database_clock() + dt.timedelta(days=days)
        ),
        fits=lambda group: group.state != ErrorGroupState.RESOLVED,
        change=MUTED,
        whole_chain=True,
    )


def asking_about_dead(groups: Iterable[Any], back: str) -> str:
    """The address of the page that asks what becomes of the dead runs of these groups, and leads
    ``back``; empty if they have none."""
    keys = [group.pk for group in groups]
    if not FailedRun.objects.filter(group__in=keys, dead=True).exists():
        return ""
    query = urlencode({CHOSEN: keys, "next": back}, doseq=True)
    return f"{address_in_admin('neural_monitoring_errorgroup_resolve')}?{query}"


RESOLVE = Verb(
    name="resolve",
    label=_("Resolve"),
    explanation=_("Resolve: an attempt that begins from now on and fails opens the group again"),
    permission=DECIDE,
    apply=resolve,
    fits=lambda group: group.state != ErrorGroupState.RESOLVED,
    change=RESOLVED,
    whole_chain=True,
    leads_to=asking_about_dead,
    asks_for_one=True,
)
OPEN = Verb(
    name="open",
    label=pgettext_lazy("error group", "Open again"),
    explanation=_("Open again: take muting or resolving back"),
    permission=DECIDE,
    apply=reopen,
    fits=lambda group: group.state != ErrorGroupState.OPEN,
    change=OPENED,
    whole_chain=True,
)


def _of_dead(verb: RunVerb, label: Any, explanation: Any) -> Verb:
    """A verb for the dead runs of groups, which the page of its preview does."""

    def preview(groups: Iterable[Any], back: str) -> str:
        keys = ",".join(str(group.pk) for group in groups)
        params = {"state": RunState.DEAD.value, FILTER: keys, "period": EVER}
        return preview_address(verb.name, params)

    return Verb(
        name=f"{verb.name}_runs",
        label=label,
        explanation=explanation,
        permission=verb.permission,
        apply=lambda group, user: False,
        fits=lambda group: bool(group.figures.dead),
        change="",
        leads_to=preview,
        asks_for_one=True,
    )


RETRY_RUNS = _of_dead(
    RETRY, _("Retry dead runs"), _("Retry dead runs: run the dead runs of the group again")
)
DISCARD_RUNS = _of_dead(
    DISCARD, _("Discard dead runs"), _("Discard dead runs: decide that they stay undone")
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
DECISIONS = ("mute_1", "resolve")
ON_THE_HOME = ("retry_runs", "discard_runs", *DECISIONS)


def acts_on(
    group: Any, user: Any, *, names: Sequence[str] = ON_THE_HOME
) -> Sequence[tuple[Any, str]]:
    """The labels and addresses of those of these verbs that this user may apply to a group. For its
    dead runs, the group's figures are known."""
    verbs = [verb for verb in VERBS if verb.name in names and verb.is_permitted(user)]
    address = page_address(group).removesuffix("change/")
    fitting = [verb for verb in verbs if address and verb.fits(group)]
    return [(verb.label, f"{address}act/{verb.name}/") for verb in fitting]
