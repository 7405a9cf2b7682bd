"""Why a record was found, as it writes it. Pure."""

from collections.abc import Iterable

from neural.retrieval.query.fusion import Ranked
from neural.retrieval.query.hits import Why
from neural.retrieval.query.questions import Question
from neural.retrieval.stores.base import Row
from neural.retrieval.text.parts import parts_of
from neural.retrieval.text.sounds import likeness, pieces, sound_of

MOST_PARTS = 12
_LONGEST_READ = 5_000


def why(question: Question, ranked: Ranked) -> Why:
    """Names that stand whole in the question, parts that were matched, and scores."""
    parts = _parts(question, ranked.row)
    if not parts and "pinyin" in ranked.scores:
        parts = [_sounds_most_alike(question, ranked.row)]
    longest = sorted(dict.fromkeys(parts), key=lambda part: (-len(part), part))
    return Why(names=ranked.names, parts=tuple(longest[:MOST_PARTS]), scores=ranked.scores)


def _parts(question: Question, row: Row) -> list[str]:
    tokens = question.words
    # A single character is asked for in names alone, as in a text it says nothing.
    in_names = [part for name in _names(row) for part in parts_of(name, tokens)]
    longer = frozenset(token for token in tokens if len(token) > 1)
    return in_names + parts_of(row.text[:_LONGEST_READ], longer)


def _sounds_most_alike(question: Question, row: Row) -> str:
    return max(_names(row), key=lambda name: likeness(question.sounds, pieces(sound_of(name))))


def _names(row: Row) -> Iterable[str]:
    return (row.title, *row.names)
