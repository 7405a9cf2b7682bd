"""The tabs of states, with counts once they are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.admin.runs_list.asked import Asked
from neural.models import RunState
from neural.runs.counting import PARTS, RETRYING, Count, Part


@dataclass(frozen=True)
class StateTab:
    """A tab. ``count`` is empty while it is not known."""

    label: Any
    address: str
    count: str
    is_current: bool
    kind: str
    """The state in the style sheet."""


def tabs_of(asked: Asked, counts: Mapping[Part, Count] | None = None) -> list[StateTab]:
    """The tabs of an address."""
    current = part_of(asked)
    every = StateTab(
        pgettext_lazy("all runs", "All"),
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
    label = _("retrying") if part == RETRYING else RunState(part.state).label
    return StateTab(
        label,
        asked.address(state=part.state, tries=tries),
        count.text if count else "",
        is_current=part == current,
        kind="retrying" if part == RETRYING else part.state,
    )
