"""What a document is found by: its tokens, and its texts to embed. Pure."""

from collections.abc import Iterator, Sequence

from neural.retrieval.collections.documents import Document
from neural.retrieval.stores.base import Shape
from neural.retrieval.text import (
    fold,
    fold_short,
    has_digit,
    name_forms,
    number_of,
    numbers_in,
    runs,
    units,
    word_tokens,
)

VECTORS: tuple[str, ...] = ("whole", "title")
"""Columns of vectors that a collection may have: of the whole document, and of its title alone. The
title matches short questions in another language than the record's better."""
TOKEN_FORM = 5
"""Raised whenever the same document would get other tokens or vectors, or the tables of vectors
other columns. Older indexes are then rebuilt."""
EMBEDDED_CHARACTERS = 1_000
"""A text is embedded up to this length: a vector of too much text is close to nothing."""


def shape_of(vectors: Sequence[str], dimensions: int) -> Shape:
    """The shape of the table of a collection with these vectors. Raises ValueError for an unknown
    one."""
    unknown = sorted(set(vectors) - set(VECTORS))
    if unknown:
        raise ValueError(f"no vectors {', '.join(unknown)}; there are: {', '.join(VECTORS)}")
    return Shape(vectors=tuple(vectors), dimensions=dimensions)


def tokens_of(document: Document) -> frozenset[str]:
    """The tokens of a document: of its names the whole (``=``), the numbers (``#``), the words of
    its whole text, and the single Chinese characters of its names."""
    names = (document.title, *document.names, *document.also, *document.numbers)
    lead = "" if document.lead in document.text else document.lead
    words = word_tokens("\n".join((*names, lead, document.text)))
    return frozenset((*words, *_of_names(names), *_of_numbers(document)))


def _of_names(names: Sequence[str]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        folded = fold_short(name)
        if not all(map(has_digit, units(folded))):  # else it is found as a number
            yield from (f"={form}" for form in name_forms(name))
        yield from (each for _, run, chinese in runs(folded) if chinese for each in run)


def _of_numbers(document: Document) -> Iterator[str]:
    """Each number whole. Those of the text alone are words: a payload has many that nobody types
    in part."""
    names = (document.id, document.title, *document.names)
    written = (number for name in names for number in numbers_in(fold(name)) if len(number) > 2)
    stated = map(number_of, (*map(fold, document.numbers), *written))
    yield from (f"#{number}" for number in stated if number)
    yield from filter(None, map(number_of, numbers_in(fold(document.text))))


def texts_of(document: Document, vectors: Sequence[str]) -> dict[str, list[str]]:
    """The texts to embed by column. The mean of their vectors is the column's; without a text it
    has none."""
    # What a thing is called and is counts as much as what it is made of, however long that is.
    parts = (document.title, *document.names, document.kind, document.lead)
    both = ["，".join(filter(str.strip, parts)), document.text]
    whole = both if document.meaning is None else [document.meaning]
    texts = {"whole": whole, "title": [document.title]}
    return {
        by: [each[:EMBEDDED_CHARACTERS] for each in texts[by] if each.strip()] for by in vectors
    }
