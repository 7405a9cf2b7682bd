"""What a search answers: hits, and why each is one. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a record was found."""

    names: tuple[str, ...] = ()
    """Names of the record that stand whole in what was asked, as the record writes them."""
    parts: tuple[str, ...] = ()
    """Pieces of its title, names or text that were matched, as the record writes them, longest
    first: what a page marks."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """By how it was found (``names``, ``words``, ``pinyin``, ``meaning``): what that added to the
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
        """What the record is known by in its collection."""
        return f"{self.store}/{self.id}"


class Found(list[Hit]):
    """Hits, best first, and what the person who searches should know."""

    def __init__(self, hits: list[Hit], *, notices: tuple[str, ...] = ()) -> None:
        super().__init__(hits)
        self.notices = notices
        """Sentences like 'meaning is left out: the index was made with another model'."""
