"""Reads a list's rows for a file, slice by slice; each slice is a few short queries.

The rows are those that the list finds for the same address: its own filters, search, walks and
stores. They come in the order of the primary key, which does not change while rows are added.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from neural.admin.exporting.columns import Column
from neural.admin.paging import neighbours
from neural.kit.errors import NeuralError
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.walks import Place
from neural.ledger.clock import database_clock
from neural.models import TaskRun
from neural.runs.lookups import meant
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.selecting import select

SLICE = 500
"""Keys that are found at once."""
PIECE = 100
"""Rows that are read and sent at once: each may have a payload of 256 kB."""

Slices = Iterator[Sequence[Any]]


class ExportRefused(NeuralError):
    """The address does not say which rows are meant; the message is a sentence for the user."""


def keys_of(model_admin: Any, request: HttpRequest) -> Slices:
    """The keys of the rows that the list shows for this address. Raises :class:`ExportRefused` at
    once, before any row is read."""
    if issubclass(model_admin.model, TaskRun):
        return _of_runs(request)
    listed = _changelist(model_admin, request)
    if not getattr(listed, "keyset", False):
        return _rising(listed.queryset)
    rows = listed.queryset
    return _falling(lambda place: model_admin.find(request, rows, place=place, size=SLICE))


def pieces(keys: Slices, rows: QuerySet, columns: Sequence[Column], limit: int | None) -> Slices:
    """The values of these columns of the rows, at most ``limit`` rows, in pieces."""
    values = rows.order_by().values_list("pk", *(each.expression for each in columns))
    every = (key for part in keys for key in part)
    wanted = islice(every, limit)
    while piece := list(islice(wanted, PIECE)):
        found = {row[0]: row[1:] for row in values.filter(pk__in=piece)}
        yield [found[key] for key in piece if key in found]


def _of_runs(request: HttpRequest) -> Slices:
    params: Any = request.GET.dict()
    try:
        query = meant(RunQuery.from_params(params), request.user)
    except QueryRefused as refused:
        raise ExportRefused(str(refused)) from refused
    selection = select(query.at(database_clock()), request.user)
    return _falling(lambda place: selection.page(place=place, size=SLICE))


def _changelist(model_admin: Any, request: HttpRequest) -> Any:
    try:
        return model_admin.get_changelist_instance(request)
    except (DisallowedModelAdminLookup, IncorrectLookupParameters) as refused:
        names = ", ".join(sorted(request.GET))
        raise ExportRefused(
            _("The list has no such filter, or not with this value: %(names)s.") % {"names": names}
        ) from refused


def _falling(find: Callable[[Place], KeyPage]) -> Slices:
    """The newest rows first, like the pages of a list; a search that stopped goes on."""
    place: Place | None = Place()
    while place is not None:
        found = find(place)
        yield found.keys
        _newer, older = neighbours(found, place)
        place = None if older is None else Place(before=older)


def _rising(rows: QuerySet) -> Slices:
    """The rows of a small table by key."""
    ordered = rows.order_by("pk").values_list("pk", flat=True)
    keys = list(ordered[:SLICE])
    while keys:
        yield keys
        keys = list(ordered.filter(pk__gt=keys[-1])[:SLICE])
