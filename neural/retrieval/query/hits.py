"""The hits of a search, and why each was found. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from neural.retrieval.collections import documents
from neural.retrieval.query.fusion import Ranked
from neural.retrieval.query.parsing import ParsedQuery
from neural.retrieval.stores.base import Row
from neural.retrieval.text import likeness, matched_parts, pieces, sound_of

MOST_PARTS = 12
_LONGEST_READ = 5_000


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a record was found."""

    names: tuple[str, ...] = ()
    """Names of the record that occur whole in the query, as the record writes them."""
    parts: tuple[str, ...] = ()
    """Pieces of its title, names or text that matched, as the record writes them, longest first.
    Pages highlight them."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """What each way of finding (``names``, ``words``, ``pinyin``, ``meaning``) added to the
    score."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record that was found."""

    collection: str
    id: str
    """The record's own id."""
    store: str
    kind: str
    at: dt.datetime | None
    title: str
    names: tuple[str, ...]
    text: str
    score: float
    why: Why

    @property
    def key(self) -> str:
        """The record's key in its collection: STORE/ID."""
        return documents.key_of(store=self.store, id=self.id)

    def as_json(self) -> dict[str, Any]:
        """The hit for programs, without its collection."""
        return {
            "key": self.key,
            "id": self.id,
            "store": self.store,
            "kind": self.kind,
            "at": self.at and self.at.isoformat(),
            "title": self.title,
            "names": list(self.names),
            "text": self.text,
            "score": round(self.score, 4),
            "why": {
                "names": list(self.why.names),
                "parts": list(self.why.parts),
                "scores": {way: round(score, 4) for way, score in self.why.scores.items()},
            },
        }


class Found(list[Hit]):
    """Hits, best first, and notices for the person who searches."""

    def __init__(self, hits: list[Hit], *, notices: tuple[str, ...] = ()) -> None:
        super().__init__(hits)
        self.notices = notices
        """Sentences like 'meaning is left out: the index was made with another model'."""


def hit_of(collection: str, parsed: ParsedQuery, ranked: Ranked) -> Hit:
    """The hit of a ranked record."""
    row = ranked.row
    return Hit(
        collection=collection,
        id=documents.parts_of(row.key)[1],
        store=row.store,
        kind=row.kind,
        at=row.at,
        title=row.title,
        names=row.names,
        text=row.text,
        score=ranked.score,
        why=why(parsed, ranked),
    )


def why(parsed: ParsedQuery, ranked: Ranked) -> Why:
    """The names that occur whole in the query, the parts that matched, and the scores."""
    parts = _parts(parsed, ranked.row)
    if not parts and "pinyin" in ranked.scores:
        parts = [_sounds_most_alike(parsed, ranked.row)]
    longest = sorted(dict.fromkeys(parts), key=lambda part: (-len(part), part))
    return Why(names=ranked.names, parts=tuple(longest[:MOST_PARTS]), scores=ranked.scores)


def _parts(parsed: ParsedQuery, row: Row) -> list[str]:
    tokens = parsed.words
    # Single characters match in names alone; in a text they mean nothing.
    in_names = [part for name in _names(row) for part in matched_parts(name, tokens)]
    longer = frozenset(token for token in tokens if len(token) > 1)
    return in_names + matched_parts(row.text[:_LONGEST_READ], longer)


def _sounds_most_alike(parsed: ParsedQuery, row: Row) -> str:
    return max(_names(row), key=lambda name: likeness(parsed.sounds, pieces(sound_of(name))))


def _names(row: Row) -> Iterable[str]:
    return (row.title, *row.names)
