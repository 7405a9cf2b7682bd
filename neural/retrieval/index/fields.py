"""What a document is found by: its tokens by column, and its texts to embed. Pure."""

from collections.abc import Sequence

from neural.retrieval.collections.documents import Document
from neural.retrieval.stores.base import Shape
from neural.retrieval.text import name_tokens, sound_tokens, word_tokens

TOKENS: tuple[str, ...] = ("names", "words", "sounds")
"""Columns of tokens: of the title and names; of the whole document; of how the title and names
sound."""
VECTORS: tuple[str, ...] = ("whole", "title")
"""Columns of vectors that a collection may have: of the whole document, and of its title alone. The
title matches questions in another language than the record's better. A vector of the first sentence
was measured and did not pay."""
TOKEN_FORM = 1
"""Raised whenever the same document would get other tokens. Indexes must then be rebuilt."""
EMBEDDED_CHARACTERS = 1_000
"""A text is embedded up to this length: a vector of too much text is close to nothing."""


def shape_of(vectors: Sequence[str], dimensions: int) -> Shape:
    """The shape of the table of a collection with these vectors. Raises ValueError for an unknown
    one."""
    unknown = sorted(set(vectors) - set(VECTORS))
    if unknown:
        raise ValueError(f"no vectors {', '.join(unknown)}; there are: {', '.join(VECTORS)}")
    return Shape(tokens=TOKENS, vectors=tuple(vectors), dimensions=dimensions)


def tokens_of(document: Document) -> dict[str, list[str]]:
    """The tokens of a document by column. A repeated token is listed each time."""
    names = (document.title, *document.names)
    lead = "" if document.lead in document.text else document.lead
    parts = "\n".join((*names, lead, document.text))
    return {"names": name_tokens(names), "words": word_tokens(parts), "sounds": sound_tokens(names)}


def texts_of(document: Document, vectors: Sequence[str]) -> dict[str, str]:
    """The texts to embed by column. A column for which the document has no text is left out."""
    # The first sentence says what a thing is, the rest what it is made of. The text contains the
    # first sentence, but repeating it was measured to find more by meaning.
    parts = (document.title, *document.names, document.lead, document.text)
    whole = "，".join(filter(str.strip, parts)) if document.meaning is None else document.meaning
    texts = {"whole": whole, "title": document.title}
    return {each: texts[each][:EMBEDDED_CHARACTERS] for each in vectors if texts[each].strip()}
