"""Search: the records that fit a query, and why each was found."""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.kit.storable import is_storable
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.embedders.base import EmbedderRefused, EmbedderUnavailable
from neural.retrieval.index.active import (
    ActiveIndex,
    active_index,
    indexes_read_once,
    read_again,
)
from neural.retrieval.index.indexing import present
from neural.retrieval.index.lag import why_nothing_is_searched
from neural.retrieval.models import OutboxEntry
from neural.retrieval.query.evidence import (
    NUMBER,
    Question,
    Ranked,
    judge,
    newest_first,
    rank,
    speaks_for_itself,
)
from neural.retrieval.query.hits import Found, hit_of, missing_parts
from neural.retrieval.query.looking_up import LookUp, look_up, more_rows
from neural.retrieval.query.parsing import ParsedQuery, parse_query
from neural.retrieval.query.reading import Reading, read_question
from neural.retrieval.stores import words
from neural.retrieval.stores.base import TableMissing, Vector, Within, sees_nothing
from neural.retrieval.text import without_numbers

BEST, TIME = SORTS = ("best", "time")
NEAREST, NEAREST_OF_MANY = 120, 400
"""Rows that are compared by meaning. More where filters leave out some of them, as a vector store
knows stores alone."""
WEIGHTS = {"whole": 1.0, "title": 0.25}
ALSO_LISTED = 0.5
"""Of what is near enough: rows that are so near are listed beside one that is."""
_LIKE_A_TITLE = 4
"""Words of a query that may be a title; a longer one describes what is sought."""
MOST = 100
"""The most hits of one search."""
_EMBEDDED = 500
"""Characters of a query that are embedded."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


def search(
    text: str,
    collection: str,
    store: str | None = None,
    since: dt.date | None = None,
    top_k: int = 10,
    *,
    until: dt.date | None = None,
    kind: str | None = None,
    stores: Collection[str] | None = None,
    sort: str = BEST,
    meaning: bool = True,
) -> Found:
    """Records of a collection that fit ``text``, best first, at most ``top_k`` (1 to 100).

    ``store`` is the code of one store, ``stores`` are those that the caller may see (None: all).
    With both, only records in both are found. ``since <= at < until``; a date as ``until`` includes
    its whole day. Filters in the text (``state:paid amount>50``) narrow the search; where they are
    all of it, the newest are found. ``sort`` is ``best`` or ``time``. Without ``meaning`` nothing
    is embedded. Raises :class:`neural.CollectionUnknown`, and ValueError for an invalid ``top_k``
    or ``sort``.
    """
    found = search_each(
        text,
        [collection],
        store,
        since,
        top_k,
        until=until,
        kind=kind,
        stores=stores,
        sort=sort,
        meaning=meaning,
    )
    return found[collection]


@indexes_read_once()
def search_each(
    text: str,
    collections: Sequence[str],
    store: str | None = None,
    since: dt.date | None = None,
    top_k: int = 10,
    *,
    until: dt.date | None = None,
    kind: str | None = None,
    stores: Collection[str] | None = None,
    sort: str = BEST,
    meaning: bool = True,
) -> dict[str, Found]:
    """What :func:`search` finds in each of these collections, by hardly more statements."""
    if sort not in SORTS:
        raise ValueError(f"sort is {' or '.join(SORTS)}, not {sort!r}")
    within = Within(
        stores=_visible(store, stores),
        kinds=None if kind is None else _keepable({kind}),
        since=moment(since),
        until=moment(until, days=1),
    )
    top_k = _checked(top_k)
    readings = read_question(text, within, map(collection_of, collections))
    return _twice(partial(_searched, readings, top_k=top_k, sort=sort, meaning=meaning))


@dataclass(kw_only=True)
class _Search:
    """A search of one collection on its way to its hits."""

    active: ActiveIndex
    look: LookUp
    notices: list[str] = field(default_factory=list)
    ranked: Sequence[Ranked] = ()

    @property
    def question(self) -> Question:
        return self.look.question


def _searched(
    readings: Mapping[str, Reading], *, top_k: int, sort: str, meaning: bool
) -> dict[str, Found]:
    """What is found for these questions, by collection."""
    found: dict[str, Found] = {}
    searches: dict[str, _Search] = {}
    for name, reading in readings.items():
        search = _begun(name, reading, top_k)
        if (
            search
            and not sees_nothing(reading.wide)
            and (reading.lists or not reading.parsed.blank)
        ):
            searches[name] = search
            continue
        notices = search.notices if search else why_nothing_is_searched(name)
        missing = () if notices or (search and reading.parsed.blank) else None
        found[name] = Found([], notices=(*notices, *reading.notices), missing=missing)
    look_up([each.look for each in searches.values()])
    for search in searches.values():
        search.ranked = _ranked(search)
    if meaning:
        _ask_meaning([each for each in searches.values() if not speaks_for_itself(each.ranked)])
    if sort == TIME:
        for search in searches.values():
            search.ranked = newest_first(search.ranked)
    found |= _found(searches, top_k)
    return {name: found[name] for name in readings}


def _twice(ask: Callable[[], T]) -> T:
    """The answer, asked for again if an index has been replaced just now."""
    try:
        return ask()
    except TableMissing:
        read_again()
        return ask()


def _begun(name: str, reading: Reading, top_k: int) -> _Search | None:
    active = active_index(name)
    if active is None:
        return None
    look = _look_up(active, reading, top_k)
    return _Search(active=active, look=look, notices=[*active.notices, *reading.notices])


def _ranked(search: _Search, near: Mapping[str, float] | None = None) -> Sequence[Ranked]:
    """The rows that fit, best first; of a list the newest."""
    look = search.look
    if look.reading.lists:
        return newest_first(Ranked(row=row, score=0.0) for row in look.rows)
    return rank(look.question, judge(look.question, look.rows), near)


def _ask_meaning(searches: Sequence[_Search]) -> None:
    """Rank these again with the rows that are near in meaning."""
    embedded: dict[str, Vector] = {}
    asked = []
    for search in searches:
        look = search.look
        if look.reading.lists or sees_nothing(look.reading.within):
            continue
        vectors = _embedded(search, embedded)
        near = _nearest(search.active, look.parsed, vectors, look.reading.within)
        asked.append((search, _near_enough(search.active, near)))
    more_rows([(search.look, near) for search, near in asked])
    for search, near in asked:
        search.ranked = _ranked(search, near)


def _look_up(active: ActiveIndex, reading: Reading, hits: int) -> LookUp:
    index = active.index
    return LookUp(index=index.pk, reading=reading, every_row=index.rows, hits=hits)


def _found(searches: Mapping[str, _Search], top_k: int) -> dict[str, Found]:
    """The best of each that are still in the database, as hits."""
    existing = {name: _there(search, top_k) for name, search in searches.items()}
    asked = [words.Whole([ranked.row for ranked in each]) for each in existing.values()]
    found = {}
    for (name, search), rows in zip(searches.items(), words.read(asked), strict=True):
        reading, own = search.look.reading, existing[name]
        hits = [
            hit_of(name, reading.parsed, each, rows[each.row.id])
            for each in own
            if each.row.id in rows
        ]
        keys = {row.key for row in search.look.named}
        numbers = [hit.why.matched[NUMBER][0] for hit in hits if hit.key in keys]
        if numbers:
            text = _("What has the number %(numbers)s is shown whatever these words say.")
            search.notices.append(text % {"numbers": _(", ").join(dict.fromkeys(numbers))})
        found[name] = Found(
            hits,
            notices=tuple(search.notices),
            missing=missing_parts(search.question, search.ranked),
            limits=reading.limits,
        )
    return found


def _near_enough(active: ActiveIndex, cosines: Mapping[str, float]) -> dict[str, float]:
    """The rows that are found by meaning: none, unless the nearest is near enough; the others may
    be less near, as what is meant is seldom the nearest alone."""
    least = collection_of(active.index.collection).near_enough
    if max(cosines.values(), default=0.0) < least:
        return {}
    return {key: cosine for key, cosine in cosines.items() if cosine >= ALSO_LISTED * least}


def _nearest(
    active: ActiveIndex, parsed: ParsedQuery, vectors: Mapping[str, Vector], within: Within
) -> dict[str, float]:
    """Cosines by key of the nearest rows: the weighted mean of the columns that are asked. Where a
    column does not list a row, its last one counts."""
    lists = {
        column: dict(
            active.store.nearest(
                active.index.table,
                column=column,
                vector=vectors[column],
                within=within,
                limit=NEAREST_OF_MANY if within.is_narrow else NEAREST,
            )
        )
        for column in columns_asked(parsed, vectors)
    }
    last = {column: min(found.values(), default=0.0) for column, found in lists.items()}
    weights = sum(WEIGHTS[column] for column in lists)
    return {
        key: sum(WEIGHTS[by] * found.get(key, last[by]) for by, found in lists.items()) / weights
        for key in sorted({key for found in lists.values() for key in found})
    }


def columns_asked(parsed: ParsedQuery, columns: Iterable[str]) -> list[str]:
    """Which vectors a query is compared with. Titles are so short that a sentence is near to any of
    them, so it uses the whole text, and so does a Chinese query. A few words of another language
    match a Chinese title best."""
    there = list(columns)
    is_short = not parsed.chinese and len(parsed.parts) <= _LIKE_A_TITLE
    wanted = ("whole", "title") if is_short else ("whole",)
    return [each for each in wanted if each in there] or there[:1]


def _there(search: _Search, top_k: int) -> Sequence[Ranked]:
    """The best records that are still in the database. A record that was just deleted has an outbox
    entry. Others are unknown to the database because it was restored from a backup; a notice says
    so."""
    name = search.active.index.collection
    looked_at = search.ranked[:top_k]
    if gone := _gone(name, looked_at):  # others take their places
        looked_at = search.ranked[: 2 * top_k]
        gone = _gone(name, looked_at)
    entries = OutboxEntry.objects.filter(collection=name, key__in=gone) if gone else ()
    if gone.difference(entry.key for entry in entries):
        logger.warning("event=index_knows_more_than_database collection=%s", name)
        search.notices.append(
            _(
                "The index of %(name)s knows records that the database has not, as after a "
                "restored backup: run manage.py rebuild_index %(name)s."
            )
            % {"name": name}
        )
    return [each for each in looked_at if each.row.key not in gone][:top_k]


def _gone(collection: str, ranked: Iterable[Ranked]) -> set[str]:
    keys = {each.row.key for each in ranked}
    return keys - present(collection_of(collection), keys) if keys else set()


def _embedded(search: _Search, known: dict[str, Vector]) -> Mapping[str, Vector]:
    """The query's vector for each column of the index; empty if it cannot be made, and then a
    notice says why. ``known`` are those of this question by text."""
    active, text = search.active, search.look.reading.text[:_EMBEDDED]
    if active.embedder is None or not active.has_vectors:
        return {}  # the index's own notices say why
    if parse_query(without_numbers(text)).blank:
        return {}  # the vector of an id means nothing
    try:
        if text not in known:
            known[text] = active.embedder.embed([text])[0]
    except (EmbedderUnavailable, EmbedderRefused) as error:
        logger.warning("search without meaning embedder=%s error=%s", active.embedder.name, error)
        left_out = _("What is meant was left out: the model cannot be asked just now.")
        search.notices.append(left_out)
        return {}
    vector = known[text]
    return dict.fromkeys(active.index.vectors, vector) if vector.any() else {}


def _checked(top_k: int) -> int:
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MOST:
        raise ValueError(f"top_k is a whole number from 1 to {MOST}, not {top_k!r}")
    return top_k


def _visible(store: str | None, stores: Collection[str] | None) -> frozenset[str] | None:
    if store is None:
        return None if stores is None else _keepable(stores)
    return _keepable({store}) if stores is None or store in stores else frozenset()


def _keepable(codes: Collection[str]) -> frozenset[str]:
    """The codes without those that have a NUL or half a surrogate pair. No row has such a code, and
    looking for it would be an error."""
    return frozenset(each for each in codes if is_storable(each))


def moment(given: dt.date | None, *, days: int = 0) -> dt.datetime | None:
    """A time as given. Of a date the local beginning of its day, ``days`` later. None for no limit,
    also after the last day of the calendar."""
    if given is None:
        return None
    if isinstance(given, dt.datetime):
        return given if timezone.is_aware(given) else timezone.make_aware(given)
    try:
        day = dt.datetime.combine(given, dt.time.min) + dt.timedelta(days=days)
    except OverflowError:
        return None
    return timezone.make_aware(day)
