"""The home: one look says whether events flow, and who must act.

Each part may fail without the others.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from neural.admin.pages import page
from neural.admin.scope import ReadOnlyAdmin
from neural.monitoring.conf import STALE_AFTER
from neural.monitoring.console import tables
from neural.monitoring.console.error_verbs import acts_on
from neural.monitoring.console.figures import (
    dead_tile,
    events_tile,
    failed_tile,
    flow_chart,
    silent_tile,
    wait_chart,
    wait_tile,
)
from neural.monitoring.console.page import Part, Viewer, page_context, part, remembered
from neural.monitoring.console.spans import (
    LAST_DAY,
    LAST_HOUR,
    LAST_WEEK,
    Span,
    Timeline,
    cached_timeline,
    spans_of,
    usual_share,
)
from neural.monitoring.console.verdict import (
    Watched,
    found_of_stores,
    open_alerts,
    verdict,
    watched,
)
from neural.monitoring.errors.groups import GroupFigures, open_count, open_groups
from neural.monitoring.models import Examination
from neural.monitoring.rollups import reading

SECONDS = 5
"""For how long what was made for one viewer is shown to others, too."""
SPANS = {span.name for span in (LAST_HOUR, LAST_DAY, LAST_WEEK)}
USUAL_SECONDS = 600
"""For how long the usual share of failures is kept: a week changes slowly and is read slowly."""
GROUPS = "neural_monitoring.errorgroup"
GROUPS_SHOWN = 5


@page(Examination)
class ExaminationAdmin(ReadOnlyAdmin):
    """The home in place of a list. Its rows have no pages of their own: they hold what probes and
    relays found of every store."""

    def get_urls(self) -> list[URLPattern]:
        """The home alone."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="neural_monitoring_examination_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the part that refreshes by itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        live = live_part(Viewer(request, self.admin_site), request)
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(live)
        context = page_context(self, request, title=_("Home"), live=live)
        return TemplateResponse(
            request,
            "neural/monitoring/home.html",
            context | {"hides_title": True} | (extra_context or {}),
        )


def live_part(viewer: Viewer, request: HttpRequest) -> str:
    """The part of the page that refreshes, for the span and queue of the address.

    It holds nothing of the one who asks (a form's token is outside of it), so that it is made once
    for all who see the same.
    """
    span, queue = request.GET.get("span", ""), request.GET.get("queue", "")
    span, queue = span if span in SPANS else "", queue[:100]

    def make() -> str:
        context = overview(viewer, span=span, queue=queue) | {"path": request.path, "queue": queue}
        return render_to_string("neural/monitoring/home_live.html", context)

    return mark_safe(remembered(viewer.key(request.path, span, queue), make, seconds=SECONDS))  # noqa: S308 (rendered by a template)


def overview(viewer: Viewer, *, span: str, queue: str) -> dict[str, Any]:
    """The context of the home's template."""
    seen = part("examination", watched)
    watch = seen.content or Watched(timezone.now())
    lines = _Timelines(viewer, watch.now)
    alerts = part("alerts", lambda: open_alerts(viewer.user))
    findings = watch.findings
    if viewer.stores is not None:
        own = part("own stores", lambda: found_of_stores(viewer, watch.now))
        judged, findings = own.content or ((), ())
        alerts = Part([*(alerts.content or ()), *judged], failed=alerts.failed or own.failed)
    silent = part("silent stores", lambda: tables.silence(viewer, watch, alerts.content or ()))
    spans = spans_of(viewer.stores)
    chosen = next((each for each in spans if each.name == span), spans[0])
    recent, drawn = lines.of(lines.shortest), lines.of(chosen)
    return {
        "viewer": viewer,
        "examined": seen,
        "watched": watch,
        "verdict": verdict(viewer, watch, alerts, findings),
        "alerts": alerts,
        "late_figures": part("figures", lambda: _late(watch.now)),
        "tiles": _tiles(viewer, watch, lines, silent),
        "spans": [(each, each == chosen) for each in spans],
        "span": chosen,
        "flow": _then(drawn, flow_chart),
        "wait": _then(drawn, lambda line: wait_chart(line, watch.limits, chosen=queue)),
        "queues": _queues(viewer, watch, recent, lines),
        "processes": part("processes", lambda: tables.processes(watch)),
        "groups": part("error groups", lambda: _groups(viewer)),
        "nightly": part("schedules", lambda: nightly_work(viewer.user)),
        "silent": silent,
    }


class _Timelines:
    """The figures of spans, each read once."""

    def __init__(self, viewer: Viewer, now: dt.datetime) -> None:
        self._viewer, self._now = viewer, now
        self._read: dict[str, Part] = {}
        self.shortest = spans_of(viewer.stores)[0]

    def of(self, span: Span) -> Part:
        """The part whose content is the timeline of a span."""
        if span.name not in self._read:
            self._read[span.name] = part(f"figures of {span.name}", lambda: self._timeline(span))
        return self._read[span.name]

    def _timeline(self, span: Span) -> Timeline:
        stores = self._viewer.stores
        return cached_timeline(span, now=self._now, stores=stores, key=self._viewer.scope)

    def usual(self) -> float | None:
        """The share of attempts that usually fails in the time of the shortest span."""

        def read() -> list[float | None]:  # a cache cannot keep None
            return [usual_share(self.shortest, now=self._now, stores=self._viewer.stores)]

        key = f"{self._viewer.scope}.usual_share"
        share: float | None = remembered(key, read, seconds=USUAL_SECONDS)[0]
        return share


def _late(now: dt.datetime) -> dt.datetime | bool | None:
    """Up to when figures are complete, if that is long ago; True if nothing was ever counted."""
    until = reading.counted_until()
    if until is None:
        return True
    return until if now - until > STALE_AFTER else None


def _then(source: Part, make: Any) -> Part:
    """A part that is made from another one."""
    return source if source.failed else part("chart", lambda: make(source.content))


def _tiles(viewer: Viewer, watch: Watched, lines: _Timelines, silent: Part) -> Sequence[Part]:
    recent, day = lines.of(lines.shortest), lines.of(LAST_DAY)
    groups = part("groups", lambda: open_count(viewer.user) if GROUPS in viewer.lists else 0)

    def silent_stores(line: Any) -> Any:
        return silent_tile(line.rows, line.total)

    return [
        part("events", lambda: events_tile(viewer, watch.now)),
        _then(recent, lambda line: failed_tile(line, lines.usual())),
        _then(day, lambda line: dead_tile(viewer, line, groups.content)),
        _then(recent, lambda line: wait_tile(line, watch.limits)),
        _then(silent, silent_stores),
    ]


def _queues(viewer: Viewer, watch: Watched, recent: Part, lines: _Timelines) -> Part:
    if viewer.stores is None:
        line: Timeline | None = recent.content
        return part("queues", lambda: tables.queues_of_chain(watch, line))
    return _then(lines.of(LAST_DAY), lambda day: tables.queues_of_stores(watch, day))


def _groups(viewer: Viewer) -> Sequence[tuple[GroupFigures, Any]]:
    """The open error groups that failed last, each with what the viewer may do about it."""
    found = open_groups(viewer.user, GROUPS_SHOWN) if GROUPS in viewer.lists else ()
    for each in found:
        each.group.figures = each  # type: ignore[attr-defined]
    return [(each, acts_on(each.group, viewer.user)) for each in found]


def nightly_work(user: Any) -> Sequence[Any]:
    """The schedules that come rarely, with their last outcomes and next times."""
    if not apps.is_installed("django_celery_beat"):
        return ()
    from neural.monitoring.console import schedules  # needs that app

    return schedules.nightly_work(user)
