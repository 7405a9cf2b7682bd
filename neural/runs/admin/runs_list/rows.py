"""The columns of the list: what each run is, in the words of people."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from neural.admin.display import NOTHING, badge, duration, link
from neural.admin.list_page import Act
from neural.ledger.clock import database_clock
from neural.ledger.work import given_title
from neural.models import TaskRun
from neural.personal.redacting import for_user
from neural.runs.about import about_events
from neural.runs.acts import RUN_VERBS, preview_address
from neural.runs.admin.runs_list.asked import Asked


def prepare(runs: Sequence[TaskRun], user: Any) -> None:
    """Give runs what their columns show: the database's time, what their events are about, and the
    error as the user may see it."""
    now = database_clock()
    about = about_events([run.event for run in runs if run.event is not None], user)
    for run in runs:
        run.now, run.about = now, about.get(run.event_id or 0, ())  # type: ignore[attr-defined]
        run.shown_error = for_user(run.error, user) if run.error else ""  # type: ignore[attr-defined]


SMALL = "{}<small>{}</small>"


@admin.display(description=gettext_lazy("Work"))
def work(run: Any) -> SafeString | str:
    """What the work does, with its name; the name if nobody gave it a title."""
    title = given_title(run.work_name)
    return format_html(SMALL, title, run.work_name) if title else run.work_name


@admin.display(description=gettext_lazy("State"))
def state(run: Any) -> SafeString:
    label, failed = badge(run.state, run.get_state_display()), tries(run)
    return format_html(SMALL, label, failed) if failed else label


@admin.display(description=gettext_lazy("Error"))
def error(run: Any) -> SafeString | str:
    text = run.shown_error
    return format_html('<span class="list-error" title="{0}">{0}</span>', text) if text else NOTHING


@admin.display(description=gettext_lazy("Store"))
def store(run: Any) -> SafeString | str:
    return link(run.store, run.store and (run.store.name or run.store.pk))


@admin.display(description=pgettext_lazy("run", "About"))
def about(run: Any) -> SafeString | str:
    """Its event, and what this is about; or who asked for it."""
    if run.event is None:
        text = _("for %(name)s") % {"name": run.requested_by}
        return text if run.requested_by else NOTHING
    named = format_html('{} <span class="list-id">{}</span>', run.event.type, run.event.event_id)
    others = (
        (
            format_html('<a href="{}">{}</a>', each.address, each.text)
            if each.address
            else each.text,
        )
        for each in run.about
    )
    return format_html("{}{}", link(run.event, named), format_html_join("", " · {}", others))


@admin.display(description=gettext_lazy("Due"))
def due(run: Any) -> SafeString:
    moment = timezone.localtime(run.available_at)
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time><small>{2}</small>',
        moment.isoformat(),
        clock(moment, run.now),
        ago(moment, run.now),
    )


@admin.display(description=gettext_lazy("Waited"))
def waited(run: Any) -> str:
    return duration(run.wait)


@admin.display(description=gettext_lazy("Took"))
def took(run: Any) -> str:
    return duration(run.duration)


@admin.display(description=gettext_lazy("Queue"))
def queue(run: Any) -> str:
    return f"{run.queue} · {run.priority}"


COLUMNS = (work, state, error, store, about, due, waited, took, queue)


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


def acts_of(asked: Asked, user: Any) -> Sequence[Act]:
    """The verbs for the runs of an address that this user may use. They mean the same when more has
    happened."""
    if asked.selection is None:
        return ()
    query = asked.selection.query
    fitting = [each for each in RUN_VERBS.values() if not query.state or query.state in each.states]
    acts = [
        Act(verb.name, verb.label, verb.explanation, preview_address(verb.name, query.params()))
        for verb in fitting
        if verb.is_permitted(user)
    ]
    return [act for act in acts if act.for_all]
