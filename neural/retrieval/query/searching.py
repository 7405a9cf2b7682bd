"""Search: the records that fit a query, and why each was found."""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.retrieval.collections.documents import UNSTORABLE
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.embedders.base import EmbedderRefused, EmbedderUnavailable
from neural.retrieval.index.active import ActiveIndex, active_index
from neural.retrieval.index.indexing import present
from neural.retrieval.index.lag import why_nothing_is_searched
from neural.retrieval.models import OutboxEntry
from neural.retrieval.query.fusion import Ranked, rank
from neural.retrieval.query.hits import Found, hit_of
from neural.retrieval.query.listing import Listing
from neural.retrieval.query.parsing import parse_query, query_like
from neural.retrieval.stores.base import TableMissing, Vector, Within
from neural.retrieval.text import without_numbers

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
) -> Found:
    """Records of a collection that fit ``text``, best first, at most ``top_k`` (1 to 100).

    ``store`` is the code of one store, ``stores`` are those that the caller may see (None: all).
    With both, only records in both are found. ``since <= at < until``; a date as ``until`` includes
    its whole day. Raises :class:`neural.CollectionUnknown`, and ValueError for an invalid
    ``top_k``.
    """
    collection_of(collection)
    within = Within(
        stores=_visible(store, stores),
        kinds=None if kind is None else _keepable({kind}),
        since=moment(since),
        until=moment(until, days=1),
    )
    return _asked(collection, _checked(top_k), lambda active: _search(active, text, within, top_k))


def similar(
    collection: str, key: str, *, stores: Collection[str] | None = None, top_k: int = 10
) -> Found:
    """Records similar to the one with this key, without itself. Empty if that record is not in the
    index or not in ``stores`` (None: all)."""
    collection_of(collection)
    within = Within(stores=_visible(None, stores))
    return _asked(collection, _checked(top_k), lambda active: _similar(active, key, within, top_k))


def _asked(collection: str, top_k: int, ask: Callable[[ActiveIndex], Found]) -> Found:
    """The hits that ``ask`` finds in the collection's index, with the index's notices."""
    for last in (False, True):
        active = active_index(collection)
        if active is None:
            return Found([], notices=why_nothing_is_searched(collection))
        try:
            found = ask(active)
        except TableMissing:
            # The index may have been replaced just now: ask again.
            if last:
                raise
        else:
            return Found(found[:top_k], notices=(*active.notices, *found.notices))
    raise AssertionError("unreachable")


def _search(active: ActiveIndex, text: str, within: Within, top_k: int) -> Found:
    parsed = parse_query(text)
    if parsed.blank:
        return Found([])
    listing = _listing(active, within, top_k)
    notices: list[str] = []
    candidates, vectors = listing.candidates(
        parsed, lambda: _embedded(active, text, listing.vectors_asked(parsed), notices)
    )
    ranked = rank(parsed, candidates, vectors)
    existing = _there(active, ranked, top_k, notices)
    return Found(
        [hit_of(active.index.collection, parsed, each) for each in existing], notices=tuple(notices)
    )


def _similar(active: ActiveIndex, key: str, within: Within, top_k: int) -> Found:
    row = active.store.rows(active.index.table, list(_keepable([key])), within=within).get(key)
    if row is None:
        return Found([])
    parsed = query_like(row.title, row.names)
    listing = _listing(active, within, top_k + 1)
    candidates, vectors = listing.candidates(parsed, lambda: row.vectors)
    others = [each for each in candidates if each.row.key != key]
    ranked, notices = rank(parsed, others, vectors), list[str]()
    existing = _there(active, ranked, top_k, notices)
    return Found(
        [hit_of(active.index.collection, parsed, each) for each in existing], notices=tuple(notices)
    )


def _there(
    active: ActiveIndex, ranked: Sequence[Ranked], top_k: int, notices: list[str]
) -> Sequence[Ranked]:
    """The best records that are still in the database. A record that was just deleted has an outbox
    entry. Others are unknown to the database because it was restored from a backup; a notice says
    so."""
    looked_at = ranked[: 2 * top_k]
    keys = {each.row.key for each in looked_at}
    name = active.index.collection
    gone = keys - present(collection_of(name), keys) if keys else set()
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


def _listing(active: ActiveIndex, within: Within, least: int) -> Listing:
    return Listing(
        store=active.store,
        table=active.index.table,
        columns=active.shape.vectors,
        within=within,
        least=least,
    )


def _embedded(
    active: ActiveIndex, text: str, columns: Collection[str], notices: list[str]
) -> Mapping[str, Vector]:
    """The query's vector for each column. Empty if it cannot be made; then ``notices`` says why."""
    if active.embedder is None:
        return {}  # the index's own notices say why
    if parse_query(without_numbers(text)).blank:
        return {}  # the vector of an id means nothing
    try:
        vector = active.embedder.embed([text[:_EMBEDDED]])[0]
    except (EmbedderUnavailable, EmbedderRefused) as error:
        logger.warning("search without meaning embedder=%s error=%s", active.embedder.name, error)
        notices.append(_("What is meant was left out: the model cannot be asked just now."))
        return {}
    return dict.fromkeys(columns, vector) if vector.any() else {}


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
    return frozenset(each for each in codes if not UNSTORABLE.search(each))


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
