"""The words of the indexes, in the database: rows by tokens, and the vocabulary.

Tokens are marked by what they are: ``=`` a whole name, ``#`` a number, ``@`` the index or a store
in it, ``%`` a fact. All others are words. The full-text index of the database finds rows by tokens,
the newest first. A row is in the transaction that writes it, so that a restored database and its
words belong together, and several processes and machines are the database's matter.
"""

import datetime as dt
import hashlib
import json
import math
import operator
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import IntegrityError, connections, router, transaction

from neural.ledger.dialects import despite_contention
from neural.retrieval.models.search_row import (
    SearchPiece,
    SearchRow,
    SearchTerm,
    id_at,
    is_tsvector,
    new_id,
    tokens_in,
)
from neural.retrieval.stores.base import FactCondition, Within
from neural.retrieval.text import has_chinese, has_digit, initials_of, is_term, pieces, sound_of

NAME, NUMBER = "=", "#"
_ATTEMPTS = 5
_AT_A_TIME = 500
_TOGETHER = 100
"""SELECTs in one statement: SQLite has at most 500."""
_ONE_SECOND = dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)
_STORES_AS_TOKENS = 40
"""For more stores, the newest rows of all stores are read, and those of others left out."""


# Scopes and facts as tokens


def in_index(index: int) -> str:
    """The token of every row of an index."""
    return f"@{index}"


def in_store(index: int, store: str) -> str:
    """The token of the rows of a store in an index."""
    return f"@{index}/{_digest(store)}"


def with_fact(name: str, value: object) -> str:
    """The token of rows with this fact."""
    return f"%{_digest(f'{name}={value}')}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


# Writing


def upsert(index: int, rows: Sequence[SearchRow]) -> None:
    """Write rows of an index in one transaction. A row replaces that of the same key unless that
    one's ``version`` is greater. If several have one key, the one with the greatest counts."""
    newest = {row.key: row for row in sorted(rows, key=lambda row: row.version)}

    def write() -> None:
        with transaction.atomic(using=_alias()):
            there = {row.key: row for row in _locked(index, newest)}
            replaced = [old for key, old in there.items() if old.version <= newest[key].version]
            kept = there.keys() - {old.key for old in replaced}
            fresh = [row for key, row in sorted(newest.items()) if key not in kept]
            SearchRow.objects.filter(pk__in=[old.pk for old in replaced]).delete()
            _number(fresh)
            SearchRow.objects.bulk_create(fresh, batch_size=_AT_A_TIME)
            tokens = {token for row in fresh for token in row.words}
            _learn(index, tokens)
            _forget(index, {token for old in replaced for token in old.words} - tokens)

    _repeated(write)


def delete(index: int, keys: Collection[str]) -> None:
    """Remove rows of an index in one transaction. Missing keys are no error."""

    def write() -> None:
        with transaction.atomic(using=_alias()):
            gone = list(_locked(index, keys))
            SearchRow.objects.filter(pk__in=[row.pk for row in gone]).delete()
            _forget(index, {token for row in gone for token in row.words})

    _repeated(write)


def drop(index: int) -> None:
    """Remove all rows and the vocabulary of an index, in short transactions."""
    for model in (SearchRow, SearchPiece, SearchTerm):
        own: Any = model._default_manager.filter(index=index).order_by()
        while some := list(own.values_list("pk", flat=True)[:_AT_A_TIME]):
            own.filter(pk__in=some).delete()


def _repeated(write: Any) -> None:
    """Call ``write``. Another writer may insert the same key, id or term at the same time; then
    again."""
    for attempt in range(_ATTEMPTS):
        try:
            return despite_contention(write)
        except IntegrityError:
            if attempt == _ATTEMPTS - 1 or connections[_alias()].in_atomic_block:
                raise
    return None


def _locked(index: int, keys: Collection[str]) -> Any:
    """The rows of these keys, locked in order, so that two writers cannot deadlock."""
    rows = SearchRow.objects.filter(index=index, key__in=keys).only("key", "version", "words")
    return rows.select_for_update().order_by("key")


def _number(rows: Sequence[SearchRow]) -> None:
    """Give each row an id that no other row has."""
    for row in rows:
        row.pk = new_id(row.at)
    while repeated := _taken([row.pk for row in rows]):
        for row in rows:
            if row.pk in repeated:
                row.pk = new_id(row.at)


def _taken(ids: Sequence[int]) -> set[int]:
    twice = {each for each, times in Counter(ids).items() if times > 1}
    return twice.union(SearchRow.objects.filter(pk__in=ids).values_list("pk", flat=True))


def _learn(index: int, tokens: Iterable[str]) -> None:
    """Add the terms among these tokens to the vocabulary."""
    terms = sorted(filter(is_term, tokens))
    known = set(_terms(index).filter(token__in=terms).values_list("token", flat=True))
    new = [_term(index, each) for each in terms if each not in known]
    SearchTerm.objects.bulk_create(new, ignore_conflicts=True, batch_size=_AT_A_TIME)
    sounds = [each.token for each in new if each.sound]
    made = _terms(index).filter(token__in=sounds).values_list("pk", "sound")
    # Without models, which would take most of the time of writing.
    rows = [(index, piece, pk) for pk, sound in made for piece in pieces(sound)]
    with connections[_alias()].cursor() as cursor:
        cursor.executemany(_INSERT_PIECE, rows)


_INSERT_PIECE = "INSERT INTO neural_searchpiece (index_id, piece, term_id) VALUES (%s, %s, %s)"


def _term(index: int, token: str) -> SearchTerm:
    form = token.removeprefix(NAME)
    if token.startswith(NUMBER):
        return SearchTerm(index_id=index, token=token, backwards=token[:0:-1])
    if has_digit(form) and not has_chinese(form):  # what has a digit is not looked for by sound
        return SearchTerm(index_id=index, token=token)
    return SearchTerm(index_id=index, token=token, sound=sound_of(form), initials=initials_of(form))


def _forget(index: int, tokens: Iterable[str]) -> None:
    """Remove terms that no row has any more: a name of an erased person must not stay. If another
    process writes a row with the same name at this moment, the name is not found by its parts until
    it is written again."""
    terms = [each for each in tokens if is_term(each)]
    rows = Matching.answers([Matching(index, [[each]]) for each in terms])
    gone = [each for each, there in zip(terms, rows, strict=True) if not there]
    for start in range(0, len(gone), _AT_A_TIME):
        own = _terms(index).filter(token__in=gone[start : start + _AT_A_TIME])
        SearchPiece.objects.filter(term__in=list(own.values_list("pk", flat=True))).delete()
        own.delete()


# Reading. What searches ask at one step is read by one statement for each kind of request, as
# Django's price of a statement would be most of the time of a search.


class Request(ABC):
    """What a search asks of the words."""

    @staticmethod
    @abstractmethod
    def answers(asked: Sequence[Any]) -> Sequence[Any]:
        """Of requests of this kind, in their order."""


def read(requests: Sequence[Request]) -> list[Any]:
    """The answers to these requests, in their order."""
    answers: dict[int, Any] = {}
    kinds: Iterable[type[Request]] = dict.fromkeys(map(type, requests))
    for kind in kinds:
        own = {place: each for place, each in enumerate(requests) if type(each) is kind}
        answers.update(zip(own, kind.answers([*own.values()]), strict=True))
    return [answers[place] for place in range(len(requests))]


# Looking up rows


@dataclass(frozen=True)
class Matching(Request):
    """Asks for the newest rows of an index that have, of each of these groups, any token.
    ``within`` must be applied to the rows once more (:class:`Rows`)."""

    index: int
    all_of: Sequence[Collection[str]]
    within: Within | None = None
    limit: int = 1

    @staticmethod
    def answers(asked: Sequence["Matching"]) -> list[list[int]]:
        """Their ids, the newest first."""
        found: list[list[int]] = [[] for _ in asked]
        groups = [[*each.all_of, *_scope(each.index, each.within)] for each in asked]
        some = [(place, asked[place], own) for place, own in enumerate(groups) if all(own)]
        if not some:
            return found
        if is_tsvector(connections[_alias()]):
            pieces = [_on_postgresql(*each, _sample()) for each in some]
            with transaction.atomic(using=_alias()), connections[_alias()].cursor() as cursor:
                cursor.execute("SET LOCAL jit = off")  # to compile takes longer than any of these
                rows = _read_all(pieces)
        else:
            rows = _read_all([_on_sqlite(*each) for each in some])
        for place, number in rows:
            found[place].append(number)
        return [sorted(each, reverse=True) for each in found]


def _on_sqlite(place: int, asked: Matching, groups: Sequence[Collection[str]]) -> "_Piece":
    own = "neural_searchwords.rowid"
    times, of_times = _joined_by_and(_times(own, asked.within))
    ranges, of_ranges = _joined_by_and(_ranges(own, asked.within, on_postgresql=False))
    sql = (
        f"SELECT * FROM (SELECT {place}, rowid FROM neural_searchwords"  # noqa: S608
        f" WHERE neural_searchwords MATCH %s{times}{ranges} ORDER BY {own} DESC LIMIT %s)"
    )
    return sql, [_asked(groups, on_postgresql=False), *of_times, *of_ranges, asked.limit]


def _on_postgresql(
    place: int, asked: Matching, groups: Sequence[Collection[str]], sample: "_Sample"
) -> "_Piece":
    words = _asked(groups, on_postgresql=True)
    times, of_times = _joined_by_and(_times("id", asked.within))
    ranges, of_ranges = _joined_by_and(_ranges("id", asked.within, on_postgresql=True))
    limit = int(asked.limit)
    steps = sample.steps(groups, limit)
    own = {"place": place, "times": times, "ranges": ranges, "limit": limit, "steps": steps}
    looked_up = [words, *of_times, *of_ranges]
    if not steps:
        return _LOOKED_UP.format(**own), looked_up
    return _WALKED_OR_LOOKED_UP.format(**own), [*of_times, words, *of_ranges, *looked_up]


_LOOKED_UP = (
    "SELECT * FROM (WITH found AS MATERIALIZED (SELECT id FROM unnest(ARRAY[%s::tsquery]) AS asked"
    " JOIN neural_searchrow ON words @@ asked WHERE true{times}{ranges})"
    " SELECT {place}, id FROM found ORDER BY id DESC LIMIT {limit}) AS rows{place}"
)
_WALKED_OR_LOOKED_UP = (
    "SELECT * FROM (WITH walked AS MATERIALIZED (SELECT id FROM (SELECT id, facts, words"
    " FROM neural_searchrow WHERE true{times} ORDER BY id DESC LIMIT {steps}) AS newer"
    " WHERE words @@ %s::tsquery{ranges} LIMIT {limit})"
    ", found AS MATERIALIZED (SELECT id FROM unnest(ARRAY[%s::tsquery]) AS asked"
    " JOIN neural_searchrow ON words @@ asked"
    " WHERE (SELECT count(*) FROM walked) < {limit}{times}{ranges})"
    " (SELECT {place}, id FROM found ORDER BY id DESC LIMIT {limit}) UNION ALL"
    " (SELECT {place}, id FROM walked WHERE NOT EXISTS (SELECT FROM found))) AS rows{place}"
)
"""What many rows have is found by walking from the newest row on, and all else by the full-text
index, however often PostgreSQL takes it to be. It has no statistics of rare tokens, and takes a
word and its index for independent, so it would walk all rows for what few have. A walk ends if the
newest rows do not have it; then it is looked up."""


class _Sample:
    """The tokens of some 300 rows, by which is guessed what many rows have."""

    def __init__(self) -> None:
        self.until = time.monotonic() + _SAMPLED_SECONDS
        ((every,),) = _read(_EVERY_ROW, [])
        self.every = max(every, 1.0)
        # The limit is for a table that PostgreSQL has not counted yet.
        sql = "SELECT words FROM neural_searchrow TABLESAMPLE SYSTEM (%s) REPEATABLE (1) LIMIT %s"
        rows = _read(sql, [min(100.0, 100 * _SAMPLED / self.every), 3 * _SAMPLED])
        self.rows = frozenset(range(len(rows)))
        self._having: dict[str, set[int]] = {}
        for row, (tokens,) in enumerate(rows):
            for token in tokens_in(tokens):
                self._having.setdefault(token, set()).add(row)

    def steps(self, groups: Sequence[Collection[str]], limit: int) -> int:
        """The most rows to walk for ``limit`` that have, of each of these groups, any token; 0 if
        so few have them that a look-up costs less. To look up a row costs some three times a step
        of the walk (4.5 and 1.7 microseconds), so that both cost the same where the share of rows
        that have it is the root of the limit by three times all rows."""
        having = [
            set[int]().union(*(self._having.get(token, ()) for token in each)) for each in groups
        ]
        share = len(self.rows.intersection(*having)) / (len(self.rows) or 1)
        if share <= math.sqrt(limit / self.every / 3):
            return 0
        return math.ceil(4 * math.sqrt(limit * self.every))


_EVERY_ROW = "SELECT reltuples FROM pg_class WHERE oid = 'neural_searchrow'::regclass"
_SAMPLED, _SAMPLED_SECONDS = 300, 60
_samples: list[_Sample] = []


def _sample() -> _Sample:
    """A sample that is not old. What it guesses makes no difference to what is found."""
    if not _samples or _samples[0].until < time.monotonic():
        _samples[:] = [_Sample()]
    return _samples[0]


def _asked(groups: Sequence[Collection[str]], *, on_postgresql: bool) -> str:
    """The query of the full-text index."""
    all_of, any_of, quote = (" & ", " | ", "'") if on_postgresql else (" AND ", " OR ", '"')
    quoted = ([f"{quote}{token}{quote}" for token in each] for each in groups)
    return all_of.join(f"({any_of.join(each)})" for each in quoted)


def _read(sql: str, values: Sequence[Any]) -> list[Any]:
    with connections[_alias()].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


_Piece = tuple[str, Sequence[Any]]
"""A SELECT and its values."""


def _read_all(pieces: Sequence[_Piece]) -> list[Any]:
    """The rows of all of these SELECTs, by few statements."""
    rows: list[Any] = []
    for start in range(0, len(pieces), _TOGETHER):
        some = pieces[start : start + _TOGETHER]
        sql = " UNION ALL ".join(sql for sql, _ in some)
        rows += _read(sql, [value for _, values in some for value in values])
    return rows


def _scope(index: int, within: Within | None) -> list[Collection[str]]:
    if within is None:
        return [[in_index(index)]]
    stores = within.stores
    own = (
        [in_index(index)]
        if stores is None or len(stores) > _STORES_AS_TOKENS
        else sorted(in_store(index, each) for each in stores)
    )
    kinds = [] if within.kinds is None else [[with_fact("kind", each) for each in within.kinds]]
    facts = [
        [with_fact(each.name, one) for one in _values(each)]
        for each in within.facts
        if each.operator in ("=", "in")
    ]
    return [own, *kinds, *facts]


class Candidate(NamedTuple):
    """What of a row its rank depends on."""

    id: int
    key: str
    store: str
    kind: str
    at: dt.datetime | None
    facts: Mapping[str, Any]
    words: frozenset[str]


@dataclass(frozen=True)
class Rows(Request):
    """Asks for the rows of an index with these ids or keys that are within."""

    index: int
    within: Within
    ids: Collection[int] = ()
    keys: Collection[str] = ()

    @staticmethod
    def answers(asked: Sequence["Rows"]) -> list[list["Candidate"]]:
        """The rows, in no order."""
        select = "SELECT id, key, store, kind, at, facts, words, index_id FROM neural_searchrow"
        ids = {number for each in asked for number in each.ids}
        # Not by the index, too, of which SQLite would then read every row.
        found = _read(f"{select} WHERE id IN ({_places(ids)})", [*ids]) if ids else []
        by_id = {each[0]: each for each in found}
        answers = []
        for own in asked:
            rows = [by_id[number] for number in own.ids if number in by_id]
            if own.keys:
                sql = f"{select} WHERE index_id = %s AND key IN ({_places(own.keys)})"
                rows += _read(sql, [own.index, *own.keys])
            made = (_candidate(each, own.within) for *each, of in rows if of == own.index)
            answers.append([each for each in made if fits(each, own.within)])
        return answers


def _candidate(columns: Sequence[Any], within: Within) -> Candidate:
    number, key, store, kind, at, facts, words = columns
    if within.keys is not None:
        at = within.keys.get(key, at)
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return Candidate(number, key, store, kind, at, json.loads(facts), tokens_in(words))


@dataclass(frozen=True)
class Whole(Request):
    """Asks for the whole of these rows, with the time that counts."""

    rows: Sequence[Candidate]

    @staticmethod
    def answers(asked: Sequence["Whole"]) -> list[dict[int, SearchRow]]:
        """Those that are still there, by id."""
        at = {row.id: row.at for each in asked for row in each.rows}
        sql = f"{_WHOLE} WHERE id IN ({_places(at)})"
        by_id = {
            row.id: row for row in (SearchRow.objects.using(_alias()).raw(sql, [*at]) if at else ())
        }
        for number, row in by_id.items():
            row.at = at[number]
        return [by_id] * len(asked)


_WHOLE = "SELECT id, key, store, kind, title, names, numbers, also, text FROM neural_searchrow"


def fits(row: Any, within: Within) -> bool:
    """Whether a row is within."""
    if within.since or within.until:
        in_time = row.at is not None and (
            (not within.since or within.since <= row.at)
            and (not within.until or row.at < within.until)
        )
    else:
        in_time = True
    return (
        in_time
        and (within.stores is None or row.store in within.stores)
        and (within.kinds is None or row.kind in within.kinds)
        and (within.keys is None or row.key in within.keys)
        and all(_holds(each, row.facts.get(each.name)) for each in within.facts)
    )


_COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _holds(condition: FactCondition, fact: Any) -> bool:
    values = _values(condition)
    compare = _COMPARED.get(condition.operator)
    if compare is None:
        return fact in values
    return isinstance(fact, int | float) and all(compare(fact, value) for value in values)


def stored(value: object) -> Any:
    """The value of a fact as rows keep it: JSON compares numbers, not decimals."""
    if isinstance(value, tuple):
        return [stored(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _values(condition: FactCondition) -> Sequence[Any]:
    value = stored(condition.value)
    return value if isinstance(value, list) else [value]


_Condition = tuple[str, Sequence[Any]]


def _joined_by_and(conditions: Iterable[_Condition]) -> tuple[str, list[Any]]:
    known = list(conditions)
    return (
        "".join(f" AND {condition}" for condition, _ in known),
        [value for _, values in known for value in values],
    )


def _times(own: str, within: Within | None) -> Iterator[_Condition]:
    if within and within.since:
        yield f"{own} >= %s", [id_at(within.since)]
    if within and within.until:
        yield f"{own} < %s", [id_at(within.until) + id_at(_ONE_SECOND)]


def _ranges(own: str, within: Within | None, *, on_postgresql: bool) -> Iterator[_Condition]:
    """Facts that are compared, of which there are no tokens."""
    for each in within.facts if within else ():
        if each.operator in _COMPARED:
            (value,) = _values(each)
            if on_postgresql:
                yield f"(facts -> %s) {each.operator} %s::jsonb", [each.name, json.dumps(value)]
            else:
                sql = f"json_extract(facts, %s) {each.operator} %s"
                yield (
                    f"EXISTS (SELECT 1 FROM neural_searchrow WHERE id = {own} AND {sql})",  # noqa: S608
                    [f'$."{each.name}"', value],
                )


# The vocabulary


_READ = 300
"""Terms with the same beginning that are read; of these the shortest are taken."""
_LAST = "\U0010ffff"


def _terms(index: int) -> Any:
    return SearchTerm.objects.filter(index=index).order_by()


@dataclass(frozen=True)
class Known(Request):
    """Asks which of these tokens are terms of an index."""

    index: int
    tokens: Collection[str]

    @staticmethod
    def answers(asked: Sequence["Known"]) -> list[set[str]]:
        """The terms."""
        some = [each for each in asked if each.tokens]
        indexes = {each.index for each in some}
        tokens = {token for each in some for token in each.tokens}
        sql = (
            f"SELECT index_id, token FROM neural_searchterm WHERE index_id IN ({_places(indexes)})"  # noqa: S608
            f" AND token IN ({_places(tokens)})"
        )
        there = set(_read(sql, [*indexes, *tokens])) if some else set()
        return [{each for each in own.tokens if (own.index, each) in there} for own in asked]


class Start(NamedTuple):
    """What terms are asked for: how a column of theirs (``token``, ``backwards``, ``sound`` or
    ``initials``) begins, and at most how many."""

    column: str
    text: str
    limit: int

    @property
    def is_number(self) -> bool:
        return self.column == "backwards" or self.text.startswith(NUMBER)

    def first(self, terms: list[str]) -> list[str]:
        """The terms to take among those that were read."""
        if self.is_number:
            return sorted(terms, reverse=self.column == "token")
        return sorted(terms, key=lambda each: (len(each), each))[: self.limit]


@dataclass(frozen=True)
class Beginning(Request):
    """Asks for the terms of an index of which a column begins like each of these."""

    index: int
    starts: Collection[Start]

    @staticmethod
    def answers(asked: Sequence["Beginning"]) -> list[dict[Start, list[str]]]:
        """The terms: numbers by the greatest, all others the shortest first."""
        order = "C" if is_tsvector(connections[_alias()]) else "BINARY"
        pieces: list[_Piece] = []
        places = [(own.index, start) for own in asked for start in own.starts]
        for place, (index, start) in enumerate(places):
            column = f'{start.column} COLLATE "{order}"'
            # As their indexes say, which are partial.
            some = "" if start.column == "token" else f" AND {start.column} <> ''"
            sql = (
                f"SELECT * FROM (SELECT {place}, token FROM neural_searchterm WHERE index_id = %s"  # noqa: S608
                f" AND {column} >= %s AND {column} < %s{some}"
                f" ORDER BY {column}{' DESC' if start.is_number else ''} LIMIT %s) AS terms{place}"
            )
            limit = start.limit if start.is_number else _READ
            pieces.append((sql, [index, start.text, start.text + _LAST, limit]))
        found: dict[Any, list[str]] = {}
        for place, token in _read_all(pieces):
            found.setdefault(places[place], []).append(token)
        return [
            {each: each.first(found.get((own.index, each), [])) for each in own.starts}
            for own in asked
        ]


@dataclass(frozen=True)
class Alike(Request):
    """Asks for the terms of an index that have the most of these pieces of a sound."""

    index: int
    sound: Collection[str]
    limit: int

    @staticmethod
    def answers(asked: Sequence["Alike"]) -> list[list[str]]:
        """The terms."""
        pieces: list[_Piece] = []
        for place, each in enumerate(asked):
            if each.sound:
                counted = (
                    "SELECT term_id, COUNT(*) AS together FROM neural_searchpiece"  # noqa: S608
                    f" WHERE index_id = %s AND piece IN ({_places(each.sound)})"
                    " GROUP BY term_id ORDER BY together DESC LIMIT %s"
                )
                sql = (
                    f"SELECT {place}, token FROM ({counted}) AS best{place}"  # noqa: S608
                    " JOIN neural_searchterm ON id = term_id"
                )
                pieces.append((sql, [each.index, *each.sound, each.limit]))
        found: list[list[str]] = [[] for _ in asked]
        for place, token in _read_all(pieces):
            found[place].append(token)
        return found


def _places(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _alias() -> str:
    return router.db_for_write(SearchRow)
