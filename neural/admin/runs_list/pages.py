"""One page of the list: its runs, and the addresses of its neighbours."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from neural.admin.paging import AFTER, BEFORE, neighbours
from neural.admin.runs_list.asked import Asked
from neural.keyset import bounded
from neural.keyset.bounded import KeyPage
from neural.keyset.walks import Place
from neural.models import TaskRun

LARGE = ("args", "kwargs", "result", "options", "event__payload")
MOST_NEW = 100
"""The most new runs that are counted, and the most shown ones that are refreshed."""


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
