"""The hits of a search, and why each was found. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from neural.retrieval.collections import documents
from neural.retrieval.query.evidence import NAMES, NUMBER, Question, Ranked
from neural.retrieval.query.parsing import ParsedQuery
from neural.retrieval.text import (
    fold,
    has_chinese,
    has_digit,
    matched_parts,
    name_forms,
    runs,
    written_numbers,
)

MOST_PARTS = 12
EXACT, BEGINS, ENDS, SLIP = LIKENESSES = ("exact", "begins", "ends", "slip")
"""How a number is like that of a query; a slip is one other digit."""
_LONGEST_READ = 5_000


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a record was found."""

    kind: str = ""
    """The strongest kind of evidence: one of ``neural.retrieval.query.evidence.KINDS``."""
    names: tuple[str, ...] = ()
    """Names of the record that occur whole in the query, as the record writes them."""
    parts: tuple[str, ...] = ()
    """Pieces of its title, names or text that matched, as the record writes them, longest first.
    Pages highlight them."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """What each kind of evidence added to the score, the strongest kind first."""
    matched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What of the record each kind of evidence is, as the record writes it."""
    number: str = ""
    """How its number is that of the query: one of ``LIKENESSES``, the least exact if several are;
    empty without a number."""


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
        own = {"key": self.key, **asdict(self), "at": self.at and self.at.isoformat()}
        own["score"] = round(self.score, 4)
        del own["collection"], own["why"]["matched"], own["why"]["number"]
        return own


class Found(list[Hit]):
    """Hits, best first, and notices for the person who searches."""

    def __init__(
        self,
        hits: list[Hit],
        *,
        notices: tuple[str, ...] = (),
        missing: tuple[str, ...] | None = (),
        limits: tuple[str, ...] = (),
    ) -> None:
        super().__init__(hits)
        self.limits = limits
        """Words of the query that are guessed to limit it. In quotes, they do not."""
        self.missing = missing
        """Parts of the query that no record has, like a number that does not exist. None if there
        is no record at all."""
        self.notices = notices
        """Sentences like 'meaning is left out: the index was made with another model'."""


def missing_everywhere(text: str, answers: Iterable[Found]) -> list[str]:
    """The parts of a query that none of these answers of several collections has, as it writes
    them. Of Chinese only what is written by itself: a piece of a sentence may be no word."""
    first, *others = [each.missing for each in answers if each.missing is not None] or [()]
    missing = [part for part in first if all(part in each for each in others)]
    alone = {run for _, run, _ in runs(fold(text))}
    written = (
        (*written_numbers(text, {part}), *matched_parts(text, {part}), part)
        for part in missing
        if part in alone or not has_chinese(part)
    )
    return list(dict.fromkeys(each for each, *_ in written))


def hit_of(collection: str, parsed: ParsedQuery, ranked: Ranked, row: Any) -> Hit:
    """The hit of a ranked record, of which ``row`` is the whole."""
    return Hit(
        collection=collection,
        id=documents.parts_of(row.key)[1],
        store=row.store,
        kind=row.kind,
        at=row.at,
        title=row.title,
        names=tuple(row.names),
        text=row.text,
        score=ranked.score,
        why=why(parsed, ranked, row),
    )


def why(parsed: ParsedQuery, ranked: Ranked, row: Any) -> Why:
    """The strongest evidence, the names that occur whole in the query, the parts that matched, and
    the scores."""
    matched = {kind: _written(row, each) for kind, each in ranked.tokens.items() if each}
    own = (row.title, *row.names, *row.also)
    names = tuple(
        dict.fromkeys(each for each in own if ranked.names.intersection(name_forms(each)))
    )
    parts = {part for some in matched.values() for part in some}
    return Why(
        kind=ranked.kind if ranked.scores else "",
        names=names,
        parts=tuple(sorted(parts, key=lambda part: (-len(part), part))[:MOST_PARTS]),
        scores=ranked.scores,
        matched={**matched, NAMES: names} if names else matched,
        number=_likeness(parsed, ranked.tokens.get(NUMBER, ())),
    )


def _written(row: Any, tokens: Collection[str]) -> tuple[str, ...]:
    """The pieces of a record that these tokens are, as it writes them."""
    own = (row.title, *row.names, *row.also, *row.numbers)
    text = row.text[:_LONGEST_READ]
    parts: list[str] = []
    if words := {token for token in tokens if token[0] not in "=#"}:
        parts += [part for name in own for part in matched_parts(name, words)]
        # Single characters match in names alone; in a text they mean nothing.
        parts += matched_parts(text, {token for token in words if len(token) > 1})
    if names := {token[1:] for token in tokens if token[0] == "="}:
        parts += [name for name in own if names.intersection(name_forms(name))]
    if numbers := {token.removeprefix("#") for token in tokens if has_digit(token)}:
        parts += [each for some in (*own, text) for each in written_numbers(some, numbers)]
    return tuple(dict.fromkeys(parts))


def _likeness(parsed: ParsedQuery, tokens: Iterable[str]) -> str:
    numbers = (part.tokens for part in parsed.parts if part.is_number)
    asked = tuple(token.removeprefix("#") for tokens in numbers for token in tokens)
    alike = [
        EXACT
        if number in asked
        else BEGINS
        if number.startswith(asked)
        else ENDS
        if number.endswith(asked) or any(each.endswith(number) for each in asked)
        else SLIP
        for number in (token.removeprefix("#").removeprefix("=尾号") for token in tokens)
    ]
    return max(alike, key=LIKENESSES.index, default="")


def missing_parts(question: Question, ranked: Iterable[Ranked]) -> tuple[str, ...]:
    """The parts of a query that no record has: a number that only others are like, and words,
    unless a record is called what they sound like."""
    missing: list[str] = []
    is_heard = any(each.is_heard for each in ranked)
    for sought in question.sought:
        part = sought.part
        if part.is_number and (not sought.is_there or not sought.is_exact):
            missing.append(part.text)
        elif not sought.is_there and not is_heard and part.weight >= 1:
            if missing and has_chinese(part.text) and missing[-1].endswith(part.text[:1]):
                missing[-1] += part.text[1:]
            else:
                missing.append(part.text)
    return tuple(missing)
