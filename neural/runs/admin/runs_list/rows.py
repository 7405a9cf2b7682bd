"""Rows of the list: what each run is, in the words of people."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.admin.display import duration, page_address
from neural.ledger.clock import database_clock
from neural.ledger.work import given_title
from neural.models import TaskRun
from neural.personal.redacting import for_user
from neural.runs.about import About, about_events
from neural.runs.acts import RUN_VERBS, preview_address
from neural.runs.admin.runs_list.asked import Asked


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run as the list shows it."""

    run: TaskRun
    address: str
    title: str
    """What the work does; its name if nobody gave it a title."""
    code: str
    """The work's name, if it has a title."""
    tries: str
    error: str
    about: Sequence[About]
    due: str
    due_ago: str


def rows_of(runs: Sequence[TaskRun], user: Any) -> list[Row]:
    """The rows of these runs."""
    now = database_clock()
    about = about_events([run.event for run in runs if run.event is not None], user)
    return [_row(run, user, about, now) for run in runs]


def _row(run: TaskRun, user: Any, about: Mapping[int, Sequence[About]], now: dt.datetime) -> Row:
    title = given_title(run.work_name)
    return Row(
        run=run,
        address=page_address(run),
        title=title or run.work_name,
        code=run.work_name if title else "",
        tries=tries(run),
        error=for_user(run.error, user) if run.error else "",
        about=about.get(run.event_id or 0, ()),
        due=clock(run.available_at, now),
        due_ago=ago(run.available_at, now),
    )


def tries(run: TaskRun) -> str:
    """How many attempts failed and how many deliveries were lost; empty if none."""
    parts = []
    if run.failures:
        parts.append(_("%(count)d failed") % {"count": run.failures})
    if run.losses:
        parts.append(_("%(count)d lost") % {"count": run.losses})
    return ", ".join(parts)


def clock(moment: dt.datetime, now: dt.datetime) -> str:
    """The time of day in the reader's zone; with the date if it is not today's."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() == today.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%m-%d %H:%M:%S" if local.year == today.year else "%Y-%m-%d %H:%M:%S")


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """How long ago it was, or in how long it will be."""
    seconds = round((now - moment).total_seconds())
    span = _("%(number)d s") % {"number": abs(seconds)}
    if abs(seconds) >= MINUTE:
        span = duration(dt.timedelta(seconds=abs(seconds)))
    return (_("in %(span)s") if seconds < 0 else _("%(span)s ago")) % {"span": span}


MINUTE = 60


@dataclass(frozen=True)
class Act:
    """A verb that the user may use; ``for_all`` is the preview for all runs that match."""

    name: str
    label: Any
    for_all: str


def acts_of(asked: Asked, user: Any) -> Sequence[Act]:
    """The verbs for the runs of an address that this user may use. They mean the same when more has
    happened."""
    if asked.selection is None:
        return ()
    query = asked.selection.query
    fitting = [each for each in RUN_VERBS.values() if not query.state or query.state in each.states]
    acts = [
        Act(verb.name, verb.label, preview_address(verb.name, query.params()))
        for verb in fitting
        if verb.is_permitted(user)
    ]
    return [act for act in acts if act.for_all]
