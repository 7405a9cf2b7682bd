"""Runs with their events and stores, from the rows of one statement (PostgreSQL).

Django builds no models from a statement of ours that joins tables: ``raw()`` knows one model.
"""

from collections.abc import Iterable, Sequence
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


@cache
def columns() -> str:
    """Every column of ``run`` and of what :data:`JOINS` joins to it."""
    tables = {"run": TaskRun, "event": NeuralEvent, "store": Store}
    return ", ".join(
        f'{alias}."{field.column}"'
        for alias, model in tables.items()
        for field in model._meta.concrete_fields
    )


def runs_of(rows: Iterable[Sequence[Any]], connection: BaseDatabaseWrapper) -> list[TaskRun]:
    """The models of such rows; what follows :func:`columns` in a row is left out."""
    return [_run(iter(row), connection) for row in rows]


def _run(row: Iterable[Any], connection: BaseDatabaseWrapper) -> TaskRun:
    run = _built(TaskRun, row, connection)
    if run.event_id is not None:
        run.event = _built(NeuralEvent, row, connection)
        run.event.store = _built(Store, row, connection)
    return run


def _built(model: type[Row], row: Iterable[Any], connection: BaseDatabaseWrapper) -> Row:
    names, converters = _layout(model)
    values = list(islice(row, len(names)))
    for place, convert in converters:
        values[place] = convert(values[place], None, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _layout(model: type[Model]) -> tuple[list[str], list[tuple[int, Any]]]:
    """Names of a model's columns, and which of them (JSON) are read how."""
    fields = model._meta.concrete_fields
    readers = ((place, getattr(field, "from_db_value", None)) for place, field in enumerate(fields))
    return [field.attname for field in fields], [each for each in readers if each[1]]
