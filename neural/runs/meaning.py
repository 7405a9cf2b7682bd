"""What free text in the search box means: an id, an order, a store, or a part of an error."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from neural.runs.filters import RUN_FINDERS
from neural.runs.lookups import runs_by_finder, runs_by_id, runs_of_event_id, stores_named
from neural.runs.query import QueryRefused, RunQuery

Reading = tuple[str, str]
"""The name of a field, and its value."""
ERROR = "error"


def readings_of(text: str, user: Any) -> list[Reading]:
    """The fields that know this text, for what the user may see; the likeliest first. The last one
    is always the text of errors."""
    return [*_known(text, user), (ERROR, text)]


def _known(text: str, user: Any) -> Iterator[Reading]:
    if runs_by_id(text, user):
        yield "run", text
    if runs_of_event_id(text, user):
        yield "event", text
    for finder in RUN_FINDERS:
        if runs_by_finder(finder.name, text, user):
            yield finder.name, text
    if stores_named(text, user):
        yield "store", text


def meant(query: RunQuery, user: Any) -> RunQuery:
    """The same query with a field in the place of its free text.

    Raises :class:`QueryRefused` if that field has another value already.
    """
    if not query.text:
        return query
    return read_as(query, next(iter(readings_of(query.text, user))))


def read_as(query: RunQuery, reading: Reading) -> RunQuery:
    """The same query with this reading in the place of its free text."""
    name, value = reading
    given = query.others.get(name, "") if name in RUN_FINDERS else getattr(query, name)
    if given not in ("", value):
        text = _("“%(text)s” is read as %(field)s, and %(field)s=%(given)s is chosen already.")
        raise QueryRefused({"text": text % {"text": value, "field": name, "given": given}})
    if name in RUN_FINDERS:
        return replace(query, text="", others={**query.others, name: value})
    changes: dict[str, Any] = {"text": "", name: value}
    return replace(query, **changes)
