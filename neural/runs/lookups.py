"""Runs and stores by what people know of them: ids, beginnings of ids, names; and what free text in
the search box means: an id, an order, a store, or a part of an error.

Each is one look into an index, or into the table of stores, which is small.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from neural.kit.keyset.exact import MOST_FOUND
from neural.kit.keyset.walks import indexes_alone
from neural.models import NeuralEvent, Store, TaskRun
from neural.runs.filters import RUN_FILTERS, RUN_FINDERS
from neural.runs.query import QueryRefused, RunQuery

SHORTEST_PREFIX = 6
PREFIX_ROWS = 200
"""How many ids behind a beginning are looked at."""
MOST_STORES = 25
"""The most stores that a part of a name finds."""


def runs_by_id(value: str, user: Any) -> list[int]:
    """Keys of the user's runs with this task id, or one that begins so, or this number (``#7``)."""
    number = value.removeprefix("#")
    if number != value:
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        return _mine(Q(pk=int(number)), user) if is_number else []
    return _mine(Q(task_id=value), user) or runs_begun(value, user)


def runs_begun(value: str, user: Any) -> list[int]:
    """Keys of the user's runs whose task id begins so."""
    if len(value) < SHORTEST_PREFIX:
        return []
    # Not LIKE: it could not use the index of ids, which has the order of the database's language.
    # In any order, what begins with a text comes behind that text.
    rows = TaskRun.objects.filter(task_id__gte=value).order_by("task_id")
    with indexes_alone(rows.db):
        near = list(rows.values_list("pk", "task_id")[:PREFIX_ROWS])
    return _mine(Q(pk__in=[pk for pk, task_id in near if task_id.startswith(value)]), user)


def runs_of_event_id(value: str, user: Any) -> list[int]:
    """Keys of the user's runs of events with this id."""
    events = NeuralEvent.objects.for_user(user).filter(event_id=value)
    return runs_of_events(list(events.order_by().values_list("pk", flat=True)[:MOST_FOUND]), user)


def runs_of_events(keys: Sequence[int], user: Any) -> list[int]:
    """Keys of the user's runs of these events."""
    return _mine(Q(event_id__in=keys), user) if keys else []


def runs_by_finder(name: str, value: str, user: Any) -> list[int]:
    """Keys of the user's runs that an app's finder knows."""
    return runs_of_events(RUN_FINDERS.get(name).find(user, value, MOST_FOUND), user)


def runs_by_filter(name: str, value: str, user: Any) -> list[int] | None:
    """Keys of the user's runs with this value of an app's filter; None if they are many, or if the
    app does not know them."""
    found = RUN_FILTERS.find(name)
    return found.keys(user, value, MOST_FOUND) if found and found.keys and value else None


def _mine(condition: Q, user: Any) -> list[int]:
    rows: Any = TaskRun.objects.for_user(user)
    return list(rows.filter(condition).order_by().values_list("pk", flat=True)[:MOST_FOUND])


def stores_named(value: str, user: Any) -> list[str]:
    """Codes of the user's stores with this code, or else with this text in their names."""
    mine = Store.objects.for_user(user)
    if found := list(mine.filter(pk=value).values_list("pk", flat=True)):
        return found
    named = mine.filter(name__icontains=value).order_by("pk")
    return list(named.values_list("pk", flat=True)[:MOST_STORES])


Reading = tuple[str, str]
"""The name of a field, and its value."""
ERROR = "error"


def readings_of(text: str, user: Any) -> list[Reading]:
    """The fields that know this text, for what the user may see; the likeliest first. The last one
    is always the text of errors."""
    return [*_ids_in(text, user), (ERROR, text)]


def _ids_in(text: str, user: Any) -> Iterator[Reading]:
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
