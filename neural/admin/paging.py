"""Lists that page by key: the newest rows first, then 'older' and 'newer'.

A list of ten million rows is neither counted (COUNT reads them all) nor skipped through
(OFFSET reads what it skips). One page is one walk along the primary key's index.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

BEFORE, AFTER = "before", "after"


class FirstPagePaginator(Paginator):
    """One page, never counted: what the admin's autocompletion would otherwise page through."""

    @cached_property
    def count(self) -> int:
        """As many rows as the first page has."""
        first_page: Any = self.object_list[: self.per_page]
        return len(first_page.values_list("pk"))


class KeysetChangeList(ChangeList):
    """The stock list, paged by ``?before=<pk>`` and ``?after=<pk>``."""

    keyset = True

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        """Without the place in the list, which is no filter and is left behind by new ones."""
        for name in (BEFORE, AFTER):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        """One page around the key in the address, or the newest rows."""
        model_admin: Any = self.model_admin
        self.result_list, newer, older = self.page_of(
            model_admin.for_page(self.queryset),
            size=self.list_per_page,
            before=key_in(request.GET.get(BEFORE)),
            after=key_in(request.GET.get(AFTER)),
        )
        self.newer_url = self._address(AFTER, self.result_list[0]) if newer else None
        self.older_url = self._address(BEFORE, self.result_list[-1]) if older else None
        self.newest_url = self.get_query_string() if newer else None
        self._say_nothing_of_the_total(request)

    def page_of(self, queryset: QuerySet, **place: Any) -> tuple[Sequence[Any], bool, bool]:
        """The page at this place, as :func:`page_of` has it."""
        return page_of(queryset, **place)

    def _say_nothing_of_the_total(self, request: HttpRequest) -> None:
        """The counts that the stock templates ask for are those of this page."""
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = self.multi_page = self.can_show_all = False
        self.show_admin_actions = bool(self.result_list)
        self.paginator = self.model_admin.get_paginator(
            request, self.queryset.none(), self.list_per_page
        )

    def _address(self, name: str, row: Model) -> str:
        return self.get_query_string({name: row.pk})


def page_of(
    queryset: QuerySet, *, size: int, before: int | None, after: int | None
) -> tuple[Sequence[Any], bool, bool]:
    """The rows of one page, newest first, and whether there are newer and older ones.

    That there is something on the side one came from is taken for granted. Beyond the
    newest row there is no page: the newest one is shown.
    """
    if after is not None:
        rows = list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1])
        if rows:
            return rows[size - 1 :: -1] if len(rows) > size else rows[::-1], len(rows) > size, True
    elif before is not None:
        rows = list(queryset.filter(pk__lt=before).order_by("-pk")[: size + 1])
        if rows:
            return rows[:size], True, len(rows) > size
    rows = list(queryset.order_by("-pk")[: size + 1])
    return rows[:size], False, len(rows) > size


def key_in(text: str | None) -> int | None:
    """A primary key as the address has it; anything else is ignored."""
    if text and text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return None
