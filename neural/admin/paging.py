"""Lists that page by key: the newest rows first, with links to older and newer ones.

A list of ten million rows is neither counted (COUNT reads them all) nor paged by OFFSET (which
reads what it skips). One page is one walk along the primary key's index.
"""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from neural.keyset import bounded
from neural.keyset.bounded import KeyPage
from neural.keyset.walks import Place

BEFORE, AFTER = "before", "after"


class FirstPagePaginator(Paginator):
    """A single page that is never counted, for the admin's autocompletion."""

    @cached_property
    def count(self) -> int:
        """The number of rows on the first page."""
        first_page: Any = self.object_list[: self.per_page]
        return len(first_page.values_list("pk"))


class KeysetChangeList(ChangeList):
    """Django's list, paged by ``?before=<pk>`` and ``?after=<pk>``."""

    keyset = True

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        """The filtered rows. The place in the list is no filter, and new filters drop it."""
        for name in (BEFORE, AFTER):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    looked_at: int | None = None
    """How many rows were read, if the page stopped before it was full and before the last row."""

    def get_results(self, request: HttpRequest) -> None:
        """Load one page beside the key in the address, or the newest rows."""
        place = Place(
            before=key_in(request.GET.get(BEFORE)) if AFTER not in request.GET else None,
            after=key_in(request.GET.get(AFTER)),
        )
        newer, older = self.show(place, request)
        self.newer_url = self._address(AFTER, newer)
        self.older_url = self._address(BEFORE, older)
        self.newest_url = None if newer is None else self.get_query_string()
        self._say_nothing_of_the_total(request)

    def show(self, place: Place, request: HttpRequest) -> tuple[int | None, int | None]:
        """Load the rows of this page; returns the keys around which it has neighbours.

        Rows are assumed to exist on the side from which the user came. Beyond the newest row there
        is no page: the newest page is shown instead.
        """
        found = self._find(place, request)
        if not found.keys and found.stopped_at is None and place.rises:
            place = Place()
            found = self._find(place, request)
        model_admin: Any = self.model_admin
        rows = model_admin.for_page(self.queryset).order_by().in_bulk(found.keys)
        self.result_list = [rows[key] for key in found.keys if key in rows]
        self.looked_at = None if found.stopped_at is None else bounded.MOST_ROWS
        return neighbours(found, place)

    def _find(self, place: Place, request: HttpRequest) -> KeyPage:
        model_admin: Any = self.model_admin
        found: KeyPage = model_admin.find(
            request, self.queryset, place=place, size=self.list_per_page
        )
        return found

    def _say_nothing_of_the_total(self, request: HttpRequest) -> None:
        """Fill the counts that Django's templates ask for with those of this page."""
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.multi_page = self.can_show_all = False
        self.show_admin_actions = bool(self.result_list)
        self.paginator = self.model_admin.get_paginator(
            request, self.queryset.none(), self.list_per_page
        )

    def _address(self, name: str, key: int | None) -> str | None:
        return None if key is None else self.get_query_string({name: key})


def neighbours(found: KeyPage, place: Place) -> tuple[int | None, int | None]:
    """The key above which there are newer rows, and the key below which there are older ones."""
    newest, oldest = (found.keys[0], found.keys[-1]) if found.keys else (None, None)
    if place.after is not None:
        onward = newest if found.stopped_at is None else found.stopped_at
        return onward if found.more else None, oldest or place.after + 1
    onward = oldest if found.stopped_at is None else found.stopped_at
    back = None if place.before is None else newest or place.before - 1
    return back, onward if found.more else None


def key_in(text: str | None) -> int | None:
    """The primary key in an address's parameter; None for anything else."""
    if text and text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return None
