"""Erases a person from the tables that hold what came from outside.

Every table is walked by primary key in short transactions, beside live work: a row that names the
person is locked, read again and updated, so that nothing that a worker writes meanwhile is lost.
Whoever is killed begins anew, and finds what is left. Texts are read some rows at a time, in
bounded memory.

A run at work may still write what it had read before; :class:`RunsAwaited` waits for those.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import Any

from django.db import models, transaction
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast, Left

from neural.kit.registry import Registry
from neural.ledger.dialects import despite_contention
from neural.models import TaskRun
from neural.personal.beside import MOST as MOST_BESIDE
from neural.personal.beside import Beside, beside, erased_row
from neural.personal.keys import plain_key
from neural.personal.person import MARK, Person

Runs = Mapping[Any, Any]
"""Fencing tokens of runs by their keys: an attempt of each."""
LOOKS_EVERY = 0.2
"""Seconds between two looks."""
MARKS = (MARK, "")
"""What may stand where data stood: the second, where the first is not valid."""
MOST_ROUNDS = 5
Values = Mapping[str, Any]
StoodBeside = dict[str, set[str]]
"""What stands beside a person, by the code of the store in whose rows it stands; rows that belong
to no store are under the empty code."""
FEWEST, MOST = 50, 800
"""Rows that are read at a time."""
HEAVY = 4_000_000
"""Fewer rows are read at a time, if they have more characters than this."""
LONGEST = 50_000
"""A row with a longer text is read by itself: an event may have a million characters, the answer
of a store in a training round sixteen million, and the rows before it none."""


def runs_under_way(store: str = "") -> Runs:
    """The runs at work; with a store, its own runs and those that belong to no store."""
    runs = TaskRun.objects.running()
    runs = runs.filter(Q(store=store) | Q(store=None)) if store else runs
    return dict(runs.values_list("pk", "token"))


class RunsAwaited:
    """Waits for runs, for so many seconds in all."""

    def __init__(self, *, seconds: float) -> None:
        self._until = monotonic() + seconds
        self.unfinished: Runs = {}
        """The runs that had not ended when the last wait was over."""

    def wait_for(self, runs: Runs) -> None:
        """Return when these attempts have ended, or the time is over."""
        self.unfinished = _still(runs)
        while self.unfinished and monotonic() < self._until:
            sleep(LOOKS_EVERY)
            self.unfinished = _still(self.unfinished)


def _still(runs: Runs) -> Runs:
    now = runs_under_way() if runs else {}
    return {key: token for key, token in runs.items() if now.get(key) == token}


# Tables


def _nothing(rows: Sequence[Any], person: Person) -> None:
    """The default for ``after``."""


def _not_waiting(runs: Runs) -> None:
    """The default for ``wait_for``."""


def _valid(row: Any, values: Values) -> bool:
    """The default for ``accepts``."""
    return True


@dataclass(frozen=True, kw_only=True)
class Erasable:
    """A table that may hold a person's data."""

    name: str
    """Its rows in the plural, for people who read the output of the command."""
    model: type[Model]
    fields: Sequence[str]
    """Its fields of text and JSON with content from outside."""
    store: str = "store"
    """The field with the store's code; empty if its rows belong to no store."""
    only: Q = Q()  # noqa: RUF009 (never changed)
    """Those rows that may be changed."""
    after: Callable[[Sequence[Any], Person], None] = _nothing
    """Called with the changed rows, in the transaction that changes them."""
    accepts: Callable[[Any, Values], bool] = _valid
    """Whether a row may have these values of its fields."""
    unchanged_paths: Sequence[str] = ()
    """Paths of two keys like ``options.task_id``, whose values are never changed."""


ERASABLES: Registry[Erasable] = Registry("erasable table")


def register_erasable(erasable: Erasable) -> None:
    """Make ``manage.py erase_person`` go through this table, too. Call it in ``ready()``: tables
    are gone through in the order in which they were registered."""
    ERASABLES.add(erasable.name, erasable)


DERIVED: set[type[Model]] = set()
"""Tables that workers make anew, within minutes, from rows that are erased. They are not gone
through: what they hold of the person goes with the rows that it comes from."""


@dataclass(frozen=True)
class Step:
    """Some rows that were looked at."""

    name: str
    looked_at: int
    found: int
    unread: int = 0
    """Rows that are nested too deep to be read."""
    is_beside: bool = False
    """Whether not the person was looked for, but what stands beside the person."""


def erase(
    person: Person,
    *,
    store: str = "",
    dry_run: bool,
    wait_for: Callable[[Runs], None] = _not_waiting,
    found_beside: StoodBeside | None = None,
) -> Iterator[Step]:
    """Go through all tables, and erase the person where ``dry_run`` is false; yields each step.

    A run that is at work may write what it had read before. So the tables are gone through again,
    each time after the runs have ended that were under way, until nothing is found. ``wait_for`` is
    called with these runs, and waits for them.

    What stands beside the person is looked for before, and erased, too, where it can be nobody
    else's: of a person who is erased already nothing would tell it. It is added to
    ``found_beside``.
    """
    beside_by_store: StoodBeside = {} if found_beside is None else found_beside
    for erasable in ERASABLES:
        for step in _walk(erasable, person, rows_of(erasable, store), True, beside_by_store):
            yield step if dry_run else replace(step, found=0, unread=0)
    for code, values in beside_by_store.items():
        yield from _erase_beside(person, code, frozenset(values), dry_run)
    person = replace(person, stood_beside=frozenset[str]().union(*beside_by_store.values()))
    for number in range(0 if dry_run else MOST_ROUNDS):
        under_way = runs_under_way(store)
        if number:
            wait_for(under_way)
        found = 0
        for erasable in ERASABLES:
            rows = rows_of(erasable, store)
            for step in _walk(erasable, person, rows, False, beside_by_store):
                found += step.found
                yield step
        if not found and (number or not under_way):
            return


def _walk(
    erasable: Erasable,
    person: Person,
    rows: QuerySet[Any] | None,
    dry_run: bool,
    found_beside: StoodBeside | None = None,
) -> Iterator[Step]:
    if rows is None:
        return
    person = of_table(person, erasable)
    for chunk in chunks_of(rows, erasable.fields):
        keys, unread = _naming(erasable, person, chunk)
        if keys and found_beside is not None:
            named = erasable.model._base_manager.filter(pk__in=keys)
            for code, *values in named.values_list(erasable.store or "pk", *erasable.fields):
                theirs = sorted(beside(person, dict(zip(erasable.fields, values, strict=True))))
                if theirs:
                    at = (code or "") if erasable.store else ""
                    found_beside.setdefault(at, set()).update(theirs[:MOST_BESIDE])
        found = len(keys) if dry_run or not keys else _erase(erasable, person, keys)
        yield Step(erasable.name, len(chunk), found, unread, isinstance(person, Beside))


def _erase_beside(
    person: Person, code: str, values: frozenset[str], dry_run: bool
) -> Iterator[Step]:
    """Erase within a store, or where there is none, what can be nobody else's."""
    who = Beside(of=person, values=values, rules=person.rules)
    for erasable in ERASABLES:
        for chunk in chunks_of(_rows_at(erasable, code), erasable.fields) if who.values else ():
            if others := _of_somebody_else(erasable, who, chunk):
                who = replace(who, values=who.values - others)
            yield Step(erasable.name, len(chunk), 0)
            if not who.values:
                return
    for erasable in ERASABLES:
        yield from _walk(erasable, who, _rows_at(erasable, code), dry_run)


def _of_somebody_else(erasable: Erasable, who: Beside, chunk: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for _pk, *texts in chunk:
        if any(text and who.may_be_in(text) for text in texts):
            with suppress(RecursionError):  # it is counted where it would be erased
                named = zip(erasable.fields, texts, strict=True)
                row = {name: value_of(erasable.model, name, text) for name, text in named if text}
                found |= who.of_somebody_else(row)
    return found


def _rows_at(erasable: Erasable, code: str) -> QuerySet[Any]:
    """The rows that may be changed of this store; without a code, those of none."""
    if code:
        rows = rows_of(erasable, code)
        return erasable.model._base_manager.none() if rows is None else rows
    rows = erasable.model._base_manager.filter(erasable.only)
    at = erasable.store
    return rows.filter(Q(**{f"{at}__isnull": True}) | Q(**{at: ""})) if at else rows


def of_table(person: Person, erasable: Erasable) -> Person:
    """The person, with the paths whose values stay in this table."""
    return replace(person, unchanged=frozenset(map(two_keys, erasable.unchanged_paths)))


def two_keys(path: str) -> tuple[str, str]:
    """A path of two keys, as a person is told of it."""
    above, key = map(plain_key, path.split("."))
    return above, key


def rows_of(erasable: Erasable, store: str) -> QuerySet[Any] | None:
    """The rows that may be changed; None if they belong to no store and one is asked for."""
    rows = erasable.model._base_manager.filter(erasable.only)
    if not store:
        return rows
    return rows.filter(**{erasable.store: store}) if erasable.store else None


def _naming(erasable: Erasable, person: Person, chunk: Iterable[Any]) -> tuple[list[Any], int]:
    """The keys of those rows that name the person, and how many could not be read."""
    keys, unread = [], 0
    for pk, *texts in chunk:
        try:
            values = {
                name: value_of(erasable.model, name, text)
                for name, text in zip(erasable.fields, texts, strict=True)
                if text and person.may_be_in(text)
            }
            if any(_changed(values, person).values()):
                keys.append(pk)
        except RecursionError:
            unread += 1
    return keys, unread


def value_of(model: type[Model], name: str, text: str) -> Any:
    """The value of a field that the database gave as text."""
    is_json = isinstance(model._meta.get_field(name), models.JSONField)
    return json.loads(text) if is_json else text


def _changed(values: Values, person: Person) -> dict[str, Any]:
    """The values that name the person, without them. A field's own name is the key of its value:
    a column may hold what a payload has under that key."""
    erased = erased_row(person, dict(values))
    return {name: erased[name] for name in values if erased[name] != values[name]}


def _erase(erasable: Erasable, person: Person, keys: Sequence[Any]) -> int:
    def transact() -> int:
        with transaction.atomic():
            locked = erasable.model._base_manager.select_for_update(of=("self",))
            rows = list(locked.filter(erasable.only, pk__in=keys).order_by("pk"))
            return len(erase_from_rows(erasable, person, rows))

    return despite_contention(transact)


def erase_from_rows(erasable: Erasable, person: Person, rows: Iterable[Any]) -> Sequence[Any]:
    """Erase the person from locked rows, in the caller's transaction; returns those changed."""
    done = []
    for row in rows:
        values = {name: getattr(row, name) for name in erasable.fields}
        changes = _accepted(erasable, person, row, values)
        if changes:
            erasable.model._base_manager.filter(pk=row.pk).update(**changes)
            for name, value in changes.items():
                setattr(row, name, value)
            done.append(row)
    if done:
        erasable.after(done, person)
    return done


def _accepted(erasable: Erasable, person: Person, row: Any, values: Values) -> dict[str, Any]:
    """The changes with the first mark with which the row is valid; else with the first mark."""
    choices = [_fitting(erasable, _changed(values, replace(person, mark=mark))) for mark in MARKS]
    accepted = (each for each in choices if erasable.accepts(row, {**values, **each}))
    return next(accepted, choices[0])


def _fitting(erasable: Erasable, changes: dict[str, Any]) -> dict[str, Any]:
    """Texts cut to their columns: a mark may be longer than what it replaces."""
    for name, value in changes.items():
        most = getattr(erasable.model._meta.get_field(name), "max_length", None)
        if isinstance(value, str) and most:
            changes[name] = value[:most]
    return changes


# Reading the texts of a table, in bounded memory


class Chunk:
    """Some rows. Iterating gives each row's key, followed by its texts."""

    def __init__(self, rows: QuerySet[Any], fields: Sequence[str], found: Sequence[Any]) -> None:
        self._rows, self._fields, self._found = rows, fields, found

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for pk, *texts in self._found:
            is_cut = any(len(text or "") > LONGEST for text in texts)
            yield from self._whole(pk) if is_cut else [(pk, *texts)]

    def _whole(self, pk: Any) -> Iterable[Sequence[Any]]:
        """The row with its texts; nothing if it is gone meanwhile."""
        texts = map(_text, self._fields)
        return self._rows.filter(pk=pk).values_list("pk", *texts)[:1]


def chunks_of(rows: QuerySet[Any], fields: Sequence[str]) -> Iterator[Chunk]:
    """All rows in the order of their keys. Values of JSON come as the database writes them."""
    beginnings = [Left(_text(name), LONGEST + 1) for name in fields]
    after: Any = None
    size = FEWEST
    while True:
        later = rows if after is None else rows.filter(pk__gt=after)
        found = list(later.order_by("pk").values_list("pk", *beginnings)[:size])
        if not found:
            return
        after = found[-1][0]
        yield Chunk(rows, fields, found)
        weight = sum(len(text or "") for _pk, *texts in found for text in texts)
        size = max(size // 4, FEWEST) if weight > HEAVY else min(size * 2, MOST)


def _text(name: str) -> Cast:
    return Cast(name, TextField())
