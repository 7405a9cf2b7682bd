"""Search: the records that fit a query, and why each was found."""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

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
    ONE_NUMBER,
    Question,
    Ranked,
    judge,
    newest_first,
    rank,
    speaks_for_itself,
)
from neural.retrieval.query.hits import EXACT, Found, facets_of, hit_of, missing_parts
from neural.retrieval.query.looking_up import LookUp, Steps, together
from neural.retrieval.query.narrowing import (
    concerning,
    in_named_stores,
    limited_by,
    narrowed,
    says_nothing,
)
from neural.retrieval.query.parsing import ParsedQuery, parse_query, query_like
from neural.retrieval.query.synonyms import other_words
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
    rest, named = in_named_stores(text, within)
    options: dict[str, Any] = {"top_k": top_k, "sort": sort, "meaning": meaning}
    ask = partial(_searched, rest, within=within, named=named, **options)
    return dict(zip(collections, together(map(ask, collections)), strict=True))


def _searched(
    text: str,
    name: str,
    *,
    within: Within,
    named: Within,
    top_k: int,
    sort: str,
    meaning: bool,
) -> Steps[Found]:
    """What is found within, limited to the stores whose codes the text names (``named``)."""
    collection = collection_of(name)
    rest, narrow, notices = narrowed(text, named, collection)
    lists = narrow != within and says_nothing(rest, name)
    if named != within:
        notices = (*notices, limited_by(sorted(named.stores or ())))
    narrow = concerning(narrow, collection)
    find = _list if lists else partial(_search, meaning=meaning)
    ask = partial(find, text=rest, within=narrow, top_k=top_k, sort=sort)
    found = yield from _asked(name, top_k, ask)
    found.notices = (*notices, *found.notices)
    if found.missing == ():
        return found
    wide = concerning(narrowed(text, within, collection, guessing=False)[1], collection)
    if wide == narrow:
        return found
    asked = rest if found.missing is None else " ".join(found.missing)
    ask = partial(_search, text=asked, within=wide, top_k=top_k, sort=sort, meaning=False)
    return _with_ids(found, (yield from _asked(name, top_k, ask)), top_k, sort)


def _with_ids(found: Found, wide: Found, top_k: int, sort: str) -> Found:
    """What was found within the limits that words of the query set, and before it the records with
    an exact number that none within has. What no record without these limits has is missing."""
    ids = [hit for hit in wide if hit.why.number == EXACT and hit.why.scores[NUMBER] >= ONE_NUMBER]
    hits = [*ids, *found]
    if sort == TIME:
        hits.sort(key=lambda hit: hit.at.timestamp() if hit.at else 0.0, reverse=True)
    notices = found.notices
    if ids:
        numbers = dict.fromkeys(hit.why.matched[NUMBER][0] for hit in ids)
        text = _("What has the number %(numbers)s is shown whatever these words say.")
        notices = (*notices, text % {"numbers": _(", ").join(numbers)})
    return Found(hits[:top_k], notices=notices, missing=wide.missing, facets=found.facets)


def similar(
    collection: str, key: str, *, stores: Collection[str] | None = None, top_k: int = 10
) -> Found:
    """Records similar to the one with this key, without itself. Empty if that record is not in the
    index or not in ``stores`` (None: all)."""
    collection_of(collection)
    within = Within(stores=_visible(None, stores))
    ask = partial(_similar, key=key, within=within, top_k=_checked(top_k))
    (found,) = together([_asked(collection, top_k, ask)])
    return found


def _asked(collection: str, top_k: int, ask: Callable[[ActiveIndex], Steps[Found]]) -> Steps[Found]:
    """The hits that ``ask`` finds in the collection's index, with the index's notices."""
    for last in (False, True):
        active = active_index(collection)
        if active is None:
            notices = why_nothing_is_searched(collection)
            return Found([], notices=notices, missing=() if notices else None)
        try:
            found = yield from ask(active)
        except TableMissing:
            # The index may have been replaced just now: ask again.
            if last:
                raise
            read_again()
        else:
            notices = (*active.notices, *found.notices)
            return Found(found[:top_k], notices=notices, missing=found.missing, facets=found.facets)
    raise AssertionError("unreachable")


def _list(active: ActiveIndex, *, text: str, within: Within, top_k: int, sort: str) -> Steps[Found]:
    """The newest rows within: all of the query was filters."""
    rows = [] if sees_nothing(within) else (yield from _look_up(active, within, top_k).newest())
    question = Question(parsed=parse_query(text), sought=())
    found = newest_first(Ranked(row=row, score=0.0) for row in rows)
    return (yield from _found(active, question, found, top_k, []))


def _search(
    active: ActiveIndex, *, text: str, within: Within, top_k: int, sort: str, meaning: bool
) -> Steps[Found]:
    parsed = parse_query(text)
    if sees_nothing(within) or parsed.blank:
        return Found([], missing=() if parsed.blank else None)
    look_up = _look_up(active, within, top_k)
    question = yield from look_up.question(parsed, other_words(text))
    rows = yield from look_up.rows(question)
    judged = judge(question, rows)
    ranked = rank(question, judged)
    notices: list[str] = []
    if meaning and not speaks_for_itself(ranked):
        vectors = _embedded(active, text, notices)
        near = _near_enough(active, _nearest(active, parsed, vectors, within))
        judged += judge(question, (yield from look_up.more(near, rows)))
        ranked = rank(question, judged, near)
    ordered = newest_first(ranked) if sort == TIME else ranked
    return (yield from _found(active, question, ordered, top_k, notices))


def _similar(active: ActiveIndex, *, key: str, within: Within, top_k: int) -> Steps[Found]:
    if sees_nothing(within) or not is_storable(key):
        return Found([])
    row = words.row_of(active.index.pk, key, within=within)
    if row is None:
        return Found([])
    parsed = query_like(row.title, row.names)
    look_up = _look_up(active, within, top_k)
    question = yield from look_up.question(parsed)
    vectors = active.vectors_of(key, within)
    near = _nearest(active, parsed, vectors, within)
    rows = yield from look_up.rows(question)
    rows += yield from look_up.more(near, rows)
    judged = judge(question, (each for each in rows if each.key != key))
    ranked = rank(question, judged, near)
    found = yield from _found(active, question, ranked, top_k, [])
    return Found(found, notices=found.notices)


def _look_up(active: ActiveIndex, within: Within, hits: int) -> LookUp:
    index = active.index
    return LookUp(index=index.pk, within=within, every_row=index.rows, hits=hits)


def _found(
    active: ActiveIndex,
    question: Question,
    ranked: Sequence[Ranked],
    top_k: int,
    notices: list[str],
) -> Steps[Found]:
    existing = _there(active, ranked, top_k, notices)
    (rows,) = yield [words.Whole([each.row for each in existing])]
    name, parsed = active.index.collection, question.parsed
    return Found(
        [hit_of(name, parsed, each, rows[each.row.id]) for each in existing if each.row.id in rows],
        notices=tuple(notices),
        missing=missing_parts(question, ranked),
        facets=facets_of(each.row for each in ranked),
    )


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


def _there(
    active: ActiveIndex, ranked: Sequence[Ranked], top_k: int, notices: list[str]
) -> Sequence[Ranked]:
    """The best records that are still in the database. A record that was just deleted has an outbox
    entry. Others are unknown to the database because it was restored from a backup; a notice says
    so."""
    name = active.index.collection
    looked_at = ranked[:top_k]
    if gone := _gone(name, looked_at):  # others take their places
        looked_at = ranked[: 2 * top_k]
        gone = _gone(name, looked_at)
    entries = OutboxEntry.objects.filter(collection=name, key__in=gone) if gone else ()
    if gone.difference(entry.key for entry in entries):
        logger.warning("event=index_knows_more_than_database collection=%s", name)
        notices.append(
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


def _embedded(active: ActiveIndex, text: str, notices: list[str]) -> Mapping[str, Vector]:
    """The query's vector for each column of the index. Empty if it cannot be made; then ``notices``
    says why."""
    if active.embedder is None or not active.has_vectors:
        return {}  # the index's own notices say why
    if parse_query(without_numbers(text)).blank:
        return {}  # the vector of an id means nothing
    try:
        vector = active.embedder.embed([text[:_EMBEDDED]])[0]
    except (EmbedderUnavailable, EmbedderRefused) as error:
        logger.warning("search without meaning embedder=%s error=%s", active.embedder.name, error)
        notices.append(_("What is meant was left out: the model cannot be asked just now."))
        return {}
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
