"""What the home shows of other rooms and apps: error groups, schedules.

Each function reads one of them and returns what the templates need.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin.display import NOTHING, badge, duration, page_address
from neural.monitoring.console.charts import line_of
from neural.monitoring.errors import groups

GROUPS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """An open error group, with the figures of the viewer's stores."""

    title: str
    place: str
    link: str
    line: Sequence[str]
    line_title: str
    dead: str
    stores: int
    last_at: dt.datetime
    acts: Sequence[tuple[Any, str]] = ()
    """What the viewer may do about it: labels, and addresses to which a form is sent."""


def open_groups(user: Any) -> Sequence[GroupRow]:
    """The open error groups that failed last, of the user's stores."""
    return [_group(each, user) for each in groups.open_groups(user, GROUPS_SHOWN)]


def _group(figures: Any, user: Any) -> GroupRow:
    from neural.monitoring.admin.error_verbs import acts_on  # that package imports the home

    figures.group.figures = figures
    return GroupRow(
        title=str(figures.group),
        place=figures.group.frame,
        link=page_address(figures.group),
        line=line_of(figures.trend),
        line_title=_("%(attempts)d failed attempts in 24 h") % {"attempts": sum(figures.trend)},
        dead=f"{figures.dead:,}" + ("+" if figures.dead_is_more else ""),
        stores=figures.stores,
        last_at=figures.last_at,
        acts=acts_on(figures.group, user),
    )


def open_group_count(user: Any) -> int:
    """How many error groups of the user's stores are open."""
    return groups.open_count(user)


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """A schedule: its last run and its next time, and why there is none."""

    name: str
    outcome: SafeString | str
    last_at: dt.datetime | None
    took: str
    next_at: dt.datetime | None
    is_overdue: bool
    trouble: str = ""
    """Who switched it off, or why it is refused."""


def nightly_work(user: Any) -> Sequence[ScheduleRow]:
    """The schedules that come rarely, with their last outcomes and next times."""
    if not apps.is_installed("django_celery_beat"):
        return ()
    from neural.monitoring.console import schedules  # needs that app

    return [_schedule(each) for each in schedules.nightly_work(user)]


def _schedule(row: Any) -> ScheduleRow:
    run = row.last_run
    return ScheduleRow(
        name=row.title or row.name,
        outcome=badge(run.state, run.get_state_display()) if run else _("never ran"),
        last_at=(run.finished_at or run.started_at or run.available_at) if run else None,
        took=duration(row.took) if row.took is not None else NOTHING,
        next_at=row.next_at,
        is_overdue=row.overdue_since is not None or bool(row.refused),
        trouble=row.off.told if row.off else row.refused,
    )
