"""The addresses of the list: the page, the parts that are loaded after it, and its saved views."""

import datetime as dt
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.guards import address
from neural.admin.list_page import LIST_MEDIA, Act, ListPage
from neural.admin.paging import AFTER, BEFORE, key_in, neighbours
from neural.kit.keyset import bounded
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.walks import Place
from neural.kit.sites import address_if_there, address_in_admin
from neural.models import TaskRun
from neural.runs.acts import PREVIEW
from neural.runs.admin.runs_list.asked import NEWEST, SHOWN, Asked, asked_by
from neural.runs.admin.runs_list.bars import drawn
from neural.runs.admin.runs_list.chips import chips_of, part_of, tabs_of
from neural.runs.admin.runs_list.choices import choices_of, more_choices_of
from neural.runs.admin.runs_list.rows import acts_of, prepare
from neural.runs.admin.runs_list.saving import SavedViews, visible_views
from neural.runs.counting import count, counted
from neural.runs.figures import histogram
from neural.runs.query import EVER, known_filters

TEMPLATES = "admin/neural/list"
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
            **list_context(asked, request, self),
            "title": _("Runs"),
            "media": LIST_MEDIA,
            **(extra_context or {}),
        }
        return self.own_page(request, self.change_list_template, **context)

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
        prepare(runs, request.user)
        context = {
            "new": new_since(asked, key_in(request.GET.get(NEWEST)) or 0),
            "page": ListPage(cl=Rows(runs, self, acts_of(asked, request.user))),
            "newest_address": asked.address(),
        }
        return TemplateResponse(request, f"{TEMPLATES}/live.html", context)


def list_context(asked: Asked, request: HttpRequest, model_admin: Any) -> dict[str, Any]:
    """The whole page."""
    user = request.user
    acts = acts_of(asked, user)
    page = RunsPage(asked, user, model_admin, acts)
    params = asked.query.params() if asked.query else dict(asked.params)
    is_limited = asked.query is not None and asked.query.is_limited_in_time
    return {
        "cl": page,
        "page": ListPage(
            cl=page,
            search="text",
            typed=_typed(asked),
            hint=_("Run, event, order, store, error, or field=value"),
            kept=[(name, value) for name, value in params.items() if name not in IN_FORM],
            choices=choices_of(asked, user),
            chips=chips_of(asked, user),
            tabs=tabs_of(asked),
            figures_address=address_in_admin("neural_taskrun_figures") + asked.address(),
            acts=acts,
            acts_address=address_if_there(PREVIEW),
            act_name="verb",
            problems=[
                {
                    "text": text,
                    "without": asked.address(**{name: ""}) if name in asked.params else "",
                }
                for name, text in asked.problems.items()
            ],
            everything=asked.address(period=EVER, since="", until="") if is_limited else "",
        ),
        "asked": asked,
        "more_choices": more_choices_of(asked, user),
        "more_is_set": bool(params.keys() & IN_MORE),
        "requested_by": params.get("requested_by", ""),
        "since": _local(asked.query.since if asked.query else None),
        "until": _local(asked.query.until if asked.query else None),
        "views": visible_views(asked, user),
        "live_address": address_in_admin("neural_taskrun_live") + asked.address(),
        "save_address": address_in_admin("neural_savedview_save"),
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


class Rows(ChangeList):
    """Runs as Django's tables show them."""

    def __init__(self, runs: Sequence[TaskRun], model_admin: Any, acts: Sequence[Act]) -> None:
        self.result_list, self.model_admin = runs, model_admin
        self.model, self.opts, self.lookup_opts = TaskRun, TaskRun._meta, TaskRun._meta
        self.pk_attname = "pk"
        boxes = ("action_checkbox",) if acts else ()
        self.list_display = (*boxes, *model_admin.list_display)
        self.list_display_links = model_admin.list_display[:1]
        self.formset = self.to_field = None
        self.is_popup = False
        self.sortable_by, self.preserved_filters, self.params = (), "", {}

    def get_ordering_field_columns(self) -> Any:
        return {}


class RunsPage(Rows):
    """A page of the list, by the addresses of its neighbours."""

    keyset = True

    def __init__(self, asked: Asked, user: Any, model_admin: Any, acts: Sequence[Act]) -> None:
        self._asked, self._user = asked, user
        self._place = asked.place
        size = model_admin.list_per_page
        found = self._find(size)
        if not found.keys and found.stopped_at is None and self._place.rises:
            self._place = Place()  # beyond the newest run is no page
            found = self._find(size)
        super().__init__(loaded(found.keys, user), model_admin, acts)
        prepare(self.result_list, user)
        self.result_count = len(self.result_list)
        self.looked_at = None if found.stopped_at is None else bounded.MOST_ROWS
        self._newer, self._older = neighbours(found, self._place)

    def _find(self, size: int) -> KeyPage:
        if self._asked.selection is None:
            return KeyPage([], more=False)
        return self._asked.selection.page(place=self._place, size=size)

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
