"""What the home shows of other rooms and apps: alerts, error groups, schedules.

Each function reads one of them and returns what the templates need. A room that is absent has
nothing to show.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.admin.display import NOTHING, badge, duration, page_address
from neural.monitoring.console.charts import line_of
from neural.monitoring.console.viewers import Viewer
from neural.monitoring.models import AlertState, Severity

GROUPS_SHOWN = 5
VERBS = "neural.monitoring.admin.error_verbs"


@dataclass(frozen=True, kw_only=True)
class AlertRow:
    """An open alert."""

    pk: int
    rule: str
    subject: str
    store_code: str
    stores: Sequence[str] = ()
    """Codes of the stores that an alert of the whole chain tells of."""
    title: str
    sentence: str
    remedy: str
    since: dt.datetime
    is_critical: bool
    is_over: bool = False
    """Whether it is kept open although it was not found any more."""
    link: str
    acknowledge_address: str
    """Where the acknowledging form is sent; empty if it is acknowledged, or the user may not."""
    taken_by: str
    """Who has acknowledged it."""


def open_alerts(viewer: Viewer) -> Sequence[AlertRow]:
    """The open alerts that this viewer may see."""
    found = _call("neural.monitoring.alerts.reading", "open_alerts", viewer.user, default=())
    return [_alert(each, viewer) for each in found]


def _alert(alert: Any, viewer: Viewer) -> AlertRow:
    is_taken = alert.state == AlertState.ACKNOWLEDGED
    return AlertRow(
        pk=alert.pk,
        rule=alert.rule,
        subject=getattr(alert, "subject", ""),
        store_code=getattr(alert, "store_code", ""),
        stores=getattr(alert, "stores", ()),
        title=alert.title,
        sentence=alert.sentence,
        remedy=alert.remedy,
        since=alert.since,
        is_critical=alert.severity == Severity.CRITICAL,
        is_over=getattr(alert, "is_over", False),
        link=alert.where if viewer.may_open(alert.page) else alert.link,
        acknowledge_address="" if is_taken else alert.acknowledge_address,
        taken_by=alert.acknowledged_by if is_taken else "",
    )


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
    where = "neural.monitoring.errors.reading"
    found = _call(where, "open_groups", user, GROUPS_SHOWN, default=())
    return [_group(each, user) for each in found]


def _group(figures: Any, user: Any) -> GroupRow:
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
        acts=_call(
            "neural.monitoring.admin.error_verbs", "acts_on", figures.group, user, default=()
        ),
    )


def open_group_count(user: Any) -> int:
    """How many error groups of the user's stores are open."""
    return int(_call("neural.monitoring.errors.reading", "open_count", user, default=0))


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
    found = _call("neural.monitoring.console.schedules", "nightly_work", user, default=())
    return [_schedule(each) for each in found]


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


def _call(module: str, name: str, *args: Any, default: Any) -> Any:
    if find_spec(module) is None:
        return default
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function(*args)
