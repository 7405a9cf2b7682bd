"""What an address of the list limits: its chips, each with a link that takes a limit away, and the
tabs of states."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from neural.admin.list_page import Chip, StateTab
from neural.ledger.work import work_title
from neural.models import RunState, Store, WorkerProcess
from neural.runs.admin.runs_list.asked import Asked
from neural.runs.admin.runs_list.choices import PERIOD_NAMES, at_least
from neural.runs.admin.runs_list.filter_pages import filter_page
from neural.runs.counting import PARTS, RETRYING, Count, Part
from neural.runs.filters import RUN_FILTERS, RUN_FINDERS
from neural.runs.lookups import MOST_STORES, Reading, stores_named


def chips_of(asked: Asked, user: Any) -> list[Chip]:
    """The chips of an address that was understood."""
    return list(_chips(asked, user)) if asked.query else []


def labels() -> dict[str, Any]:
    """The names of the fields for people."""
    own = {
        "run": _("task id"),
        "event": _("event id"),
        "error": _("error contains"),
        "work": _("work"),
        "store": _("store"),
        "queue": _("queue"),
        "worker": _("worker"),
        "requested_by": _("requested by"),
        "tries": _("attempts"),
        "state": _("state"),
        "text": pgettext("searched for", "text"),
        "since": pgettext("time", "from"),
        "until": pgettext("time", "to"),
        "period": pgettext("time", "period"),
    }
    return own | {each.name: each.label for each in (*RUN_FILTERS, *RUN_FINDERS)}


def _chips(asked: Asked, user: Any) -> Iterator[Chip]:
    named = labels()
    if asked.readings:
        yield _read(asked, user, named)
    assert asked.query is not None  # chips_of
    for name, value in asked.query.params().items():
        if name in ("text", "state"):
            continue
        visible, known = in_words(name, value, user)
        yield Chip(
            named[name],
            visible,
            asked.address(**{name: ""}),
            is_warning=not known,
            page=filter_page(name, value, user),
        )


def _read(asked: Asked, user: Any, named: dict[str, Any]) -> Chip:
    """What free text is read as, and what else it could be."""
    (name, value), *others = asked.readings
    instead = tuple((str(named[other]), _instead(asked, other)) for other in _names(others))
    return Chip(named[name], in_words(name, value, user)[0], asked.address(text=""), instead)


def _names(readings: list[Reading]) -> list[str]:
    return [name for name, _value in readings]


def _instead(asked: Asked, name: str) -> str:
    value = asked.query.text if asked.query else ""
    return asked.address(text="", **{name: value})


def in_words(name: str, value: str, user: Any) -> tuple[str, bool]:
    """A value for people, and whether there is such a thing."""
    if name in RUN_FILTERS:
        visible = RUN_FILTERS.get(name).shown(user, value)
        return visible or value, bool(visible)
    show = _IN_WORDS.get(name)
    return show(value, user) if show else (value, True)


def _store(value: str, user: Any) -> tuple[str, bool]:
    codes = stores_named(value, user)
    if not codes:
        return _("%(value)s: no store that you may see") % {"value": value}, False
    if len(codes) == 1:
        return str(Store.objects.get(pk=codes[0])), True
    text = ngettext("%(value)s: %(count)d store", "%(value)s: %(count)d stores", len(codes))
    visible = text % {"value": value, "count": len(codes)}
    return visible + ("+" if len(codes) == MOST_STORES else ""), True


def _worker(value: str, user: Any) -> tuple[str, bool]:
    found = WorkerProcess.objects.filter(pk=value) if _sees_workers(user) else ()
    return next((f"{each.name} #{value}" for each in found), f"#{value}"), True


def _sees_workers(user: Any) -> bool:
    return bool(user.has_perm("neural.view_workerprocess"))


def _tries(value: str, user: Any) -> tuple[str, bool]:
    return at_least(int(value)), True


def _moment(value: str, user: Any) -> tuple[str, bool]:
    local = timezone.localtime(dt.datetime.fromisoformat(value))
    return local.strftime("%Y-%m-%d %H:%M"), True


_IN_WORDS: dict[str, Any] = {
    "state": lambda value, user: (str(RunState(value).label), True),
    "store": _store,
    "worker": _worker,
    "tries": _tries,
    "since": _moment,
    "until": _moment,
    "work": lambda value, user: (work_title(value), True),
    "period": lambda value, user: (str(PERIOD_NAMES[value]), True),
}


def tabs_of(asked: Asked, counts: Mapping[Part, Count] | None = None) -> list[StateTab]:
    """The tabs of an address."""
    current = part_of(asked)
    every = StateTab(
        pgettext_lazy("all rows", "All"),
        asked.address(state="", **({"tries": ""} if current == RETRYING else {})),
        "",
        is_current=asked.query is not None and not asked.query.state,
        kind="all",
    )
    counts = counts or {}
    return [every, *(_tab(asked, part, counts.get(part), current) for part in PARTS)]


def part_of(asked: Asked) -> Part | None:
    """The part that is shown; None for all states, or for none that has a tab."""
    if asked.query is None or not asked.query.state:
        return None
    part = Part(asked.query.state, asked.query.tries)
    return part if part == RETRYING else Part(asked.query.state)


def _tab(asked: Asked, part: Part, count: Count | None, current: Part | None) -> StateTab:
    tries = asked.query.tries if asked.query else None
    if part == RETRYING:
        tries = 1
    elif current == RETRYING:
        tries = None  # it was the tab's
    label = gettext_lazy("retrying") if part == RETRYING else RunState(part.state).label
    return StateTab(
        label,
        asked.address(state=part.state, tries=tries),
        count.text if count else "",
        is_current=part == current,
        kind="retrying" if part == RETRYING else part.state,
    )
