"""Builds runs with their events and stores from the rows of one statement (PostgreSQL).

Django cannot do this for a hand-written statement that joins tables: ``raw()`` builds one model.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from neural.models import NeuralEvent, Store, TaskRun

Row = TypeVar("Row", bound=Model)

JOINS = f"""
    LEFT JOIN {NeuralEvent._meta.db_table} AS event ON event.id = chosen.event_id
    LEFT JOIN {Store._meta.db_table} AS store ON store.code = event.store_id
"""


# Loaded on access: each of these columns would slow down every claim, and work rarely needs them.
_DEFERRED = {
    TaskRun: {"created_at", "publish_at", "finished_at", "unique_key", "result", "error"},
    NeuralEvent: {"content_hash", "unhandled", "pruned_at"},
}


@cache
def columns() -> str:
    """The columns of ``run``, and of the event and store that :data:`JOINS` joins to it."""
    tables = {"run": TaskRun, "event": NeuralEvent, "store": Store}
    return ", ".join(
        f'{alias}."{field.column}"' for alias, model in tables.items() for field in _fields(model)
    )


def runs_of(rows: Iterable[Sequence[Any]], connection: BaseDatabaseWrapper) -> list[TaskRun]:
    """The runs of rows with the columns of :func:`columns`, each with its event and store. Further
    columns of a row are ignored."""
    stores: dict[str, Store] = {}
    return [_run(iter(row), stores, connection) for row in rows]


def _run(row: Iterator[Any], stores: dict[str, Store], connection: BaseDatabaseWrapper) -> TaskRun:
    run = _built(TaskRun, row, connection)
    if run.event_id is not None:
        run.event = event = _built(NeuralEvent, row, connection)
        if event.store_id not in stores:
            stores[event.store_id] = _built(Store, row, connection)
        event.store = stores[event.store_id]
    return run


def _built(model: type[Row], row: Iterator[Any], connection: BaseDatabaseWrapper) -> Row:
    names, converters = _layout(model)
    values = list(islice(row, len(names)))
    for place, convert in converters:
        values[place] = convert(values[place], None, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _layout(model: type[Model]) -> tuple[Collection[str], list[tuple[int, Any]]]:
    """Names of a model's columns, and positions and converters of those that need one (JSON)."""
    fields = _fields(model)
    readers = ((place, getattr(field, "from_db_value", None)) for place, field in enumerate(fields))
    names = dict.fromkeys(field.attname for field in fields)  # a dict: from_db looks names up in it
    return names, [each for each in readers if each[1]]


def _fields(model: type[Model]) -> Sequence[Any]:
    left_out = _DEFERRED.get(model, ())
    return [field for field in model._meta.concrete_fields if field.name not in left_out]
