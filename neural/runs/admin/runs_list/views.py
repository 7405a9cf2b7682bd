"""The addresses of the list: the page, the parts that are loaded after it, and its saved views."""

import datetime as dt
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.guards import address
from neural.admin.paging import AFTER, BEFORE, key_in, neighbours
from neural.admin.tabs import list_of
from neural.kit.keyset import bounded
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.walks import Place
from neural.kit.sites import address_if_there, address_in_admin
from neural.models import TaskRun
from neural.runs.acts import PREVIEW
from neural.runs.admin.runs_list.asked import NEWEST, SHOWN, Asked, asked_by
from neural.runs.admin.runs_list.bars import drawn
from neural.runs.admin.runs_list.chips import chips_of, part_of, tabs_of
from neural.runs.admin.runs_list.choices import choices_of, more_choices_of, period_of
from neural.runs.admin.runs_list.rows import acts_of, rows_of
from neural.runs.admin.runs_list.saving import SavedViews, visible_views
from neural.runs.counting import count, counted
from neural.runs.figures import histogram
from neural.runs.query import EVER, known_filters

TEMPLATES = "admin/neural/runs"
MEDIA = Media(
    css={"all": ("neural/admin.css", "neural/runs.css")},
    js=("neural/runs.js", "neural/runs-live.js"),
)
IN_FORM = (
    *("text", "period", "since", "until", "work", "store", "queue"),
    *("worker", "requested_by", "tries"),
)
"""The parameters that have fields in the form; it keeps the others."""
IN_MORE = {"since", "until", "worker", "requested_by", "tries"}
"""Those of them that are folded away."""
LARGE = ("args", "kwargs", "result", "options", "event__payload")
MOST_NEW = 100
"""The most new runs that are counted, and the most shown ones that are refreshed."""


class RunsList(SavedViews):
    """The list of runs in place of Django's own."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; a posted selection goes to the verbs."""
        self._must_view(request)
        if request.method == "POST":
            return self._acted_on(request)
        asked = asked_by(request.GET, request.user)
        context = {
            **list_context(asked, request, size=self.list_per_page),
            "batches_address": list_of("neural.batch", request, self.admin_site),
            "title": _("Runs"),
            "media": self.media + MEDIA,
            **(extra_context or {}),
        }
        return self.own_page(request, f"{TEMPLATES}/list.html", **context)

    def _acted_on(self, request: HttpRequest) -> HttpResponse:
        """Let Django act on a selection; it answers with a redirect, unless nothing was chosen."""
        response = super().changelist_view(request)
        if isinstance(response, TemplateResponse) and response.status_code == 200:
            return HttpResponseRedirect(address_in_admin("neural_taskrun_changelist"))
        return response

    @address("figures/", "_figures", require_safe)
    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """The tabs with their counts, and the histogram: they may take longer than the page."""
        self._must_view(request)
        context = figures_context(asked_by(request.GET, request.user))
        return TemplateResponse(request, f"{TEMPLATES}/figures.html", context)

    @address("live/", "_live", require_safe)
    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The rows that are shown, as they are now, and how many new ones would come before."""
        self._must_view(request)
        asked = asked_by(request.GET, request.user)
        keys = [key_in(text) for text in request.GET.get(SHOWN, "").split(",")[:MOST_NEW]]
        runs = loaded([key for key in keys if key is not None], request.user)
        context = {
            "new": new_since(asked, key_in(request.GET.get(NEWEST)) or 0),
            "rows": rows_of(runs, request.user),
            "newest_address": asked.address(),
            "acts": acts_of(asked, request.user),
        }
        return TemplateResponse(request, f"{TEMPLATES}/live.html", context)


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
        "views": visible_views(asked, user),
        "acts": acts_of(asked, user),
        "preview_address": address_if_there(PREVIEW),
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


class RunsPage:
    """A page as Django's lists have it; the pager's template needs the same names."""

    keyset = True

    def __init__(self, asked: Asked, user: Any, *, size: int) -> None:
        self._asked, self._user = asked, user
        self._place = asked.place
        found = self._find(size)
        if not found.keys and found.stopped_at is None and self._place.rises:
            self._place = Place()  # beyond the newest run is no page
            found = self._find(size)
        self.result_list = loaded(found.keys, user)
        self.looked_at = None if found.stopped_at is None else bounded.MOST_ROWS
        self._newer, self._older = neighbours(found, self._place)

    def _find(self, size: int) -> KeyPage:
        if self._asked.selection is None:
            return KeyPage([], more=False)
        return self._asked.selection.page(place=self._place, size=size)

    @property
    def result_count(self) -> int:
        """The number of runs on this page."""
        return len(self.result_list)

    @property
    def is_newest(self) -> bool:
        """Whether new runs would come on this page."""
        return self._newer is None

    @cached_property
    def newer_url(self) -> str | None:
        return None if self._newer is None else self._asked.address(**{AFTER: self._newer})

    @cached_property
    def older_url(self) -> str | None:
        return None if self._older is None else self._asked.address(**{BEFORE: self._older})

    @cached_property
    def newest_url(self) -> str | None:
        return None if self._newer is None else self._asked.address()


def loaded(keys: Sequence[int], user: Any) -> list[TaskRun]:
    """The user's runs of these keys, in their order, with what a row shows."""
    runs: Any = TaskRun.objects.for_user(user)
    rows = runs.select_related("event", "store").defer(*LARGE).in_bulk(list(keys))
    return [rows[key] for key in keys if key in rows]


def new_since(asked: Asked, newest: int) -> KeyPage:
    """The runs that match and are newer than this key."""
    if asked.selection is None:
        return KeyPage([], more=False)
    return asked.selection.page(place=Place(after=newest), size=MOST_NEW)
