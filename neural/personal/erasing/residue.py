"""Tells what names a person and is not erased: ids that a till or a program made of a phone, the
audit log, tables that nobody has registered.

Every field of text and JSON of every model is read, except what is erased.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DatabaseError, connections, models, transaction
from django.db.models import Model

from neural.models import Store
from neural.personal.beside import Beside
from neural.personal.erasing.tables import (
    DERIVED,
    ERASABLES,
    Erasable,
    chunks_of,
    of_table,
    rows_of,
    two_keys,
    value_of,
)
from neural.personal.person import Person

STORES = ("store", "store_code")
"""Fields with a store's code, of tables that are not registered."""
MOST_KEYS = 5
"""Rows that are named of each field."""

Places = Callable[[Erasable, Person, str, Any], Iterable[str]]
"""Where in the value of a field a person is named who is not erased there."""


@dataclass(frozen=True)
class FieldNotErased:
    """A field that names the person in these rows."""

    field: str
    """Like ``neural.NeuralEvent.event_id``."""
    keys: Sequence[Any]


@dataclass(frozen=True)
class Look:
    """Some rows that were looked at."""

    name: str
    looked_at: int = 0
    fields: Sequence[FieldNotErased] = ()
    unread: int = 0
    """Rows with values that are nested too deep to be read."""
    is_readable: bool = True
    """False if the database did not let us read the table, or not to its end."""


@dataclass
class Findings:
    """What was found in all looks."""

    rows: dict[str, int] = field(default_factory=dict)
    """How many, by field."""
    keys: dict[str, list[Any]] = field(default_factory=dict)
    """The first of them, by field."""
    unread: int = 0
    unreadable: list[str] = field(default_factory=list)
    """Tables."""

    def add(self, look: Look) -> None:
        """Add a look."""
        for each in look.fields:
            self.rows[each.field] = self.rows.get(each.field, 0) + len(each.keys)
            keys = self.keys.setdefault(each.field, [])
            keys += each.keys[: MOST_KEYS - len(keys)]
        self.unread += look.unread
        if not look.is_readable:
            self.unreadable.append(look.name)


def not_erased(person: Person, *, store: str = "") -> Iterator[Look]:
    """Look through all tables for what names the person and is not erased; yields each look. Of
    what stood beside a person (:class:`Beside`), all that is left."""
    tables = cache(_names_of_tables)
    for table, places in _all_fields() if isinstance(person, Beside) else _tables():
        alias = table.model._base_manager.db
        looks = _looks(table, places, person, store)
        try:
            if table.model._meta.db_table in tables(alias):
                while look := _next(looks, alias):
                    yield look
        except DatabaseError:
            yield Look(table.model._meta.label, is_readable=False)


def _next(looks: Iterator[Look], alias: str) -> Look | None:
    """The next look; None after the last. An error does not end a transaction around this."""
    is_within = connections[alias].in_atomic_block
    with transaction.atomic(using=alias) if is_within else nullcontext():
        return next(looks, None)


def _names_of_tables(alias: str) -> frozenset[str]:
    return frozenset(connections[alias].introspection.table_names())


def _tables() -> Iterator[tuple[Erasable, Places]]:
    """Every table: with the fields that are not erased, those rows of which none are, and the
    fields of which some values are not."""
    registered = {each.model: each for each in ERASABLES}
    for model in _models():
        table = registered.get(model) or _unregistered(model)
        if fields := [each for each in _texts(model) if each not in table.fields]:
            yield replace(table, fields=fields, only=models.Q()), _anywhere
        if table.only:
            yield replace(table, only=~table.only), _anywhere
        if table.unchanged_paths:
            yield table, _unchanged


def _all_fields() -> Iterator[tuple[Erasable, Places]]:
    registered = {each.model: each for each in ERASABLES}
    for model in _models():
        table = registered.get(model) or _unregistered(model)
        if fields := list(_texts(model)):
            yield replace(table, fields=fields, only=models.Q()), _anywhere


def _models() -> Iterator[type[Model]]:
    models = apps.get_models()
    return (each for each in models if not each._meta.proxy and each not in DERIVED)


def _unregistered(model: type[Model]) -> Erasable:
    return Erasable(name=model._meta.label, model=model, fields=(), store=_store_of(model))


def _store_of(model: type[Model]) -> str:
    """What has a store's code; empty if nothing does that we know. An app's own ``store`` may be
    something else, like a key of another table."""
    for name in STORES:
        try:
            found = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if isinstance(found, models.CharField):
            return name
        if isinstance(found, models.ForeignKey) and found.related_model is Store:
            return f"{name}__pk"
    return ""


def _texts(model: type[Model]) -> Iterator[str]:
    for each in model._meta.concrete_fields:
        is_text = isinstance(each, models.CharField | models.TextField | models.JSONField)
        if is_text and not getattr(each, "choices", None):
            yield each.name


def _looks(table: Erasable, places: Places, person: Person, store: str) -> Iterator[Look]:
    rows = rows_of(table, store)
    if rows is None:
        return
    person = of_table(person, table)
    for chunk in chunks_of(rows, table.fields):
        found: dict[str, list[Any]] = {}
        unread = 0
        for pk, *texts in chunk:
            try:
                for name in _named(table, places, person, texts):
                    found.setdefault(f"{table.model._meta.label}.{name}", []).append(pk)
            except RecursionError:
                unread += 1
        fields = [FieldNotErased(name, keys) for name, keys in found.items()]
        yield Look(table.name, len(chunk), fields, unread)


def _named(
    table: Erasable, places: Places, person: Person, texts: Sequence[str | None]
) -> Iterator[str]:
    for name, text in zip(table.fields, texts, strict=True):
        if text and person.may_be_in(text):
            yield from places(table, person, name, _value(table, name, text))


def _value(table: Erasable, name: str, text: str) -> Any:
    try:
        return value_of(table.model, name, text)
    except ValueError:  # a JSON field of another app that writes something else
        return text


def _anywhere(table: Erasable, person: Person, name: str, value: Any) -> Iterable[str]:
    return [name] if person.is_in(value) else []


def _unchanged(table: Erasable, person: Person, name: str, value: Any) -> Iterable[str]:
    stay = set(person.unchanged_in({name: value}))
    paths = [each for each in table.unchanged_paths if two_keys(each) in stay]
    return [each if each.startswith(f"{name}.") else f"{name}.{each}" for each in paths]
