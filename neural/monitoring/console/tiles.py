"""The tiles: one figure each, its last hours as a small line, and what is usual."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from neural.health.findings import COUNTED
from neural.health.workers import patience_seconds
from neural.models import TaskRun
from neural.monitoring.console.charts import line_of
from neural.monitoring.console.shown import counted, per_cent, rate, rough
from neural.monitoring.console.spans import DAY, HOUR, Timeline, all_queues, failed_share, floor
from neural.monitoring.console.viewers import Viewer
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import quantile
from neural.queues import HIGH_PRIORITY_QUEUE

UNUSUAL = 3
"""A share of failures is unusual from so many times the usual one on, and from 5 %."""
BAD_SHARE = 0.05
DEAD_LOOKED_AT = 5 * COUNTED
"""Dead runs that are looked at to count those of some stores."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile. ``line`` is drawn, ``line_title`` says what it shows."""

    name: str
    title: str
    value: str
    unit: str = ""
    below: str = ""
    line: Sequence[str] = ()
    line_title: str = ""
    is_bad: bool = False
    link: str = ""


def events_tile(viewer: Viewer, now: dt.datetime) -> Tile:
    """Events a minute: those of this hour, and of the last one as far as it lies within 60 min."""
    hour = floor(now, HOUR)
    found = reading.events_by_hour(hour - DAY, hour + HOUR, stores=viewer.stores)
    hours = [sum(found.get(hour - HOUR * (24 - n), {}).values()) for n in range(25)]
    elapsed = (now - hour) / HOUR
    in_an_hour = hours[-1] + hours[-2] * (1 - elapsed)
    number = round(in_an_hour)
    told = ngettext("%(count)s in the last hour", "%(count)s in the last hour", number)
    return Tile(
        name="events",
        title=_("Events"),
        value=rate(in_an_hour / 60),
        unit=_("a minute"),
        below=told % {"count": f"{number:,}"},
        line=line_of(hours[1:]),
        line_title=_("Events by hour, the last 24 hours"),
    )


def failed_tile(recent: Timeline, usual: float | None) -> Tile:
    """Failed attempts in per cent of all."""
    figures = all_queues(recent.total)
    share = failed_share(figures)
    about = {"failed": f"{figures.failed:,}", "attempts": f"{figures.attempts:,}"}
    told = [_("%(failed)s of %(attempts)s") % about]
    if usual is not None:
        told.append(_("usually %(share)s %%") % {"share": per_cent(usual)})
    return Tile(
        name="failed",
        title=_("Failed attempts"),
        value=per_cent(share),
        unit="%" if share is not None else "",
        below=" · ".join(told),
        line=line_of([failed_share(all_queues(step)) for step in recent.steps]),
        line_title=_("Share of failed attempts, %(span)s") % {"span": recent.span.long},
        is_bad=share is not None and share >= max(BAD_SHARE, UNUSUAL * (usual or 0)),
    )


def dead_tile(viewer: Viewer, day: Timeline, groups: int | None) -> Tile:
    """Dead letters: how many there are, how many are new, and their groups."""
    number = dead_runs(viewer)
    new = all_queues(day.total).dead
    told = [ngettext("%(count)s new in 24 h", "%(count)s new in 24 h", new) % {"count": f"{new:,}"}]
    if groups:
        told.append(ngettext("%(count)d group", "%(count)d groups", groups) % {"count": groups})
    runs = viewer.lists.get("neural.taskrun", "")
    return Tile(
        name="dead",
        title=_("Dead letters"),
        value=counted(number),
        unit=pgettext("unit", "runs"),
        below=" · ".join(told),
        line=line_of([all_queues(step).dead for step in day.steps]),
        line_title=_("New dead letters by hour, the last 24 hours"),
        is_bad=bool(new),
        link=f"{runs}?state=dead&period=all" if runs else "",
    )


def dead_runs(viewer: Viewer) -> int:
    """How many runs are dead, up to COUNTED. For users limited to stores, the newest
    DEAD_LOOKED_AT dead runs are looked at."""
    dead = TaskRun.objects.dead().order_by("-pk")
    if viewer.stores is None:
        return len(dead.values_list("pk")[:COUNTED])
    mine = set(viewer.stores)
    stores = dead.values_list("store_id", flat=True)[:DEAD_LOOKED_AT]
    return min(sum(store in mine for store in stores), COUNTED)


def wait_tile(recent: Timeline) -> Tile:
    """How long urgent runs wait until they start."""
    queue = HIGH_PRIORITY_QUEUE
    figures = recent.total.get(queue)
    wait = figures.wait if figures else ()
    worst, middle = quantile(wait, 0.99), quantile(wait, 0.5)
    limit = patience_seconds(queue)
    return Tile(
        name="wait",
        title=_("Urgent wait, p99"),
        value=rough(worst),
        below=_("p50 %(middle)s · limit %(limit)s")
        % {"middle": rough(middle), "limit": rough(limit)},
        line=line_of([_p99(step, queue) for step in recent.steps]),
        line_title=_("Wait until started on %(queue)s, p99, %(span)s")
        % {"queue": queue, "span": recent.span.long},
        is_bad=worst is not None and worst > limit,
    )


def _p99(step: Mapping[str, Any], queue: str) -> float | None:
    return quantile(step[queue].wait, 0.99) if queue in step else None


def silent_tile(silent: Sequence[Any], total: int) -> Tile:
    """Stores that have sent nothing although they usually do."""
    number = len(silent)
    about = {"count": f"{total:,}"}
    return Tile(
        name="silent",
        title=_("Silent stores"),
        value=f"{number:,}",
        unit=ngettext("of %(count)s store", "of %(count)s stores", total) % about,
        below=silent[0].text if silent else _("every store sends"),
        is_bad=bool(number),
        link="#console-silent",
    )
