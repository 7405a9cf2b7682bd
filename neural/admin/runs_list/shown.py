"""What the list's templates need."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from neural.admin.runs_list.acting import acts_of, preview_address
from neural.admin.runs_list.asked import Asked
from neural.admin.runs_list.bars import drawn
from neural.admin.runs_list.chips import chips_of
from neural.admin.runs_list.choices import choices_of, more_choices_of, period_of
from neural.admin.runs_list.pages import RunsPage
from neural.admin.runs_list.rows import rows_of
from neural.admin.runs_list.saving import shown_views
from neural.admin.runs_list.tabs import part_of, tabs_of
from neural.runs.counting import count, counted
from neural.runs.figures import histogram
from neural.runs.query import EVER, known_filters
from neural.sites import address_in_admin

IN_FORM = (
    *("text", "period", "since", "until", "work", "store", "queue"),
    *("worker", "requested_by", "tries"),
)
"""The parameters that have fields in the form; it keeps the others."""
IN_MORE = {"since", "until", "worker", "requested_by", "tries"}
"""Those of them that are folded away."""


def list_context(asked: Asked, request: HttpRequest, *, size: int) -> dict[str, Any]:
    """The whole page."""
    user = request.user
    page = RunsPage(asked, user, size=size)
    params = asked.query.params() if asked.query else dict(asked.params)
    return {
        "cl": page,
        "rows": rows_of(page.result_list, user),
        "asked": asked,
        "problems": [
            {"text": text, "without": asked.address(**{name: ""}) if name in asked.params else ""}
            for name, text in asked.problems.items()
        ],
        "typed": _typed(asked),
        "kept": [(name, value) for name, value in params.items() if name not in IN_FORM],
        "period": period_of(asked),
        "choices": choices_of(asked, user),
        "more_choices": more_choices_of(asked, user),
        "more_is_set": bool(params.keys() & IN_MORE),
        "requested_by": params.get("requested_by", ""),
        "since": _local(asked.query.since if asked.query else None),
        "until": _local(asked.query.until if asked.query else None),
        "chips": chips_of(asked, user),
        "tabs": tabs_of(asked),
        "views": shown_views(asked, user),
        "acts": acts_of(asked, user),
        "preview_address": preview_address(),
        "figures_address": address_in_admin("neural_taskrun_figures") + asked.address(),
        "live_address": address_in_admin("neural_taskrun_live") + asked.address(),
        "save_address": address_in_admin("neural_savedview_save"),
        "everything": asked.address(period=EVER, since="", until=""),
        "zone": zone_name(),
        "fields": known_filters(),
        "newest": page.result_list[0].pk if page.result_list else 0,
    }


def figures_context(asked: Asked) -> dict[str, Any]:
    """The tabs with counts, and the histogram."""
    if asked.selection is None:
        return {"tabs": tabs_of(asked)}
    counts = counted(asked.selection)
    part = part_of(asked)
    newest = counts.get(part) if part else None
    if newest is None or asked.selection.query.tries:
        newest = count(asked.selection)
    found = histogram(asked.selection, newest=newest, now=asked.selection.now)
    return {"tabs": tabs_of(asked, counts), "drawing": found and drawn(found, asked)}


def _typed(asked: Asked) -> str:
    """What stands in the search box: what was not understood stays there."""
    if asked.query is None:
        return asked.params.get("text", "")
    return asked.query.text


def _local(moment: dt.datetime | None) -> str:
    """A moment as a field of a form has it."""
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M") if moment else ""


def zone_name() -> str:
    """The reader's zone, and how far it is ahead of UTC."""
    zone = timezone.get_current_timezone()
    name = zone.key if isinstance(zone, ZoneInfo) else timezone.get_current_timezone_name()
    return f"{name}, UTC{timezone.localtime().strftime('%z')}"
