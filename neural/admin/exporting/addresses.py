"""The addresses of a list's files: which parameters they take, and who sees links to them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.urls import NoReverseMatch
from django.utils.translation import gettext as _

from neural.admin.exporting.formats import FORMATS, Format
from neural.admin.exporting.reading import ExportRefused
from neural.sites import address_in_admin

PERMISSION = "neural.export_rows"
ROWS = "rows"
"""The parameter that limits a file to so many rows."""
NO_FILTERS = ("before", "after", "p", "all", "e", "o", "_facets", "_popup", "_to_field")
"""Parameters of a list that say what a page looks like, and not which rows are meant."""


def address_name(model: type[Model], written: type[Format]) -> str:
    """The name of the address, in the admin's namespace."""
    return f"{model._meta.app_label}_{model._meta.model_name}_export_{written.extension}"


def links_for(request: HttpRequest, model: type[Model]) -> list[tuple[str, str]]:
    """Label and address of each format for the list that this request shows; none for users who
    may not export."""
    if not request.user.has_perm(PERMISSION) or "_popup" in request.GET:
        return []
    query = filters_of(request.GET).urlencode()
    try:
        found = [(each, address_in_admin(address_name(model, each))) for each in FORMATS]
    except NoReverseMatch:
        return []
    return [(each.label, f"{address}?{query}" if query else address) for each, address in found]


def filters_of(params: QueryDict) -> QueryDict:
    """The parameters that choose rows."""
    kept = params.copy()
    for name in (*NO_FILTERS, ROWS):
        kept.pop(name, None)
    return kept


def most_rows(params: Mapping[str, Any]) -> int | None:
    """To how many rows the file is limited. Raises :class:`ExportRefused`."""
    text = params.get(ROWS, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise ExportRefused(
            _("“%(rows)s” is no number of rows: write one like 1000.") % {"rows": text}
        )
    return int(text)
