"""What is kept of a document to find it by: columns of tokens, and texts to embed. Pure."""

from collections.abc import Sequence

from neural.retrieval.collections.documents import Document
from neural.retrieval.stores.base import Shape
from neural.retrieval.text.sounds import sound_tokens
from neural.retrieval.text.tokens import name_tokens, word_tokens

TOKENS: tuple[str, ...] = ("names", "words", "sounds")
"""Columns of tokens: of its title and names, of all it says, and how title and names sound."""
VECTORS: tuple[str, ...] = ("whole", "title")
"""Columns of vectors that a collection may have: of all it says, and of its title alone, which
questions in another language than the record's meet better. A first sentence of its own did not
pay by measurement."""
TOKEN_FORM = 1
"""Raised whenever the same document would have other tokens: indexes are then made anew."""
EMBEDDED_CHARACTERS = 1_000
"""More of a text is not embedded: a vector of everything is near to nothing."""


def shape_of(vectors: Sequence[str], dimensions: int) -> Shape:
    """Shape of the table of a collection with these vectors."""
    unknown = sorted(set(vectors) - set(VECTORS))
    if unknown:
        raise ValueError(f"no vectors {', '.join(unknown)}; there are: {', '.join(VECTORS)}")
    return Shape(tokens=TOKENS, vectors=tuple(vectors), dimensions=dimensions)


def tokens_of(document: Document) -> dict[str, list[str]]:
    """Tokens by column. Repetitions count."""
    names = (document.title, *document.names)
    lead = "" if document.lead in document.text else document.lead
    said = "\n".join((*names, lead, document.text))
    return {"names": name_tokens(names), "words": word_tokens(said), "sounds": sound_tokens(names)}


def texts_of(document: Document, vectors: Sequence[str]) -> dict[str, str]:
    """What to embed, by column; columns of which the document says nothing are left out."""
    # A first sentence says what a thing is, what follows what it is made of. Though the text begins
    # with it, it is said once more: by measurement more is found by meaning.
    said = (document.title, *document.names, document.lead, document.text)
    whole = "，".join(filter(str.strip, said)) if document.meaning is None else document.meaning
    texts = {"whole": whole, "title": document.title}
    return {each: texts[each][:EMBEDDED_CHARACTERS] for each in vectors if texts[each].strip()}
