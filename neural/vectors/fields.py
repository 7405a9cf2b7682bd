"""What is kept of a document to find it by: columns of tokens, and texts to embed. Pure."""

from collections.abc import Sequence

from neural.vectors.documents import Document
from neural.vectors.stores.base import Shape
from neural.vectors.text.sounds import sound_tokens
from neural.vectors.text.tokens import name_tokens, word_tokens

TOKENS: tuple[str, ...] = ("names", "words", "sounds")
"""Columns of tokens: of its title and names, of all it says, and how title and names sound."""
VECTORS: tuple[str, ...] = ("whole", "lead", "title")
"""Columns of vectors that a collection may have: of all it says, of its title and first sentence,
of its title alone."""
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
    said = "\n".join((*names, document.lead, document.text))
    return {"names": name_tokens(names), "words": word_tokens(said), "sounds": sound_tokens(names)}


def texts_of(document: Document, vectors: Sequence[str]) -> dict[str, str]:
    """What to embed, by column; columns of which the document says nothing are left out."""
    title, lead = document.title.strip(), document.lead.strip()
    whole = "，".join(
        each for each in (title, *document.names, lead, document.text) if each.strip()
    )
    texts = {"whole": whole, "lead": f"{title}，{lead}" if lead else "", "title": title}
    return {each: texts[each][:EMBEDDED_CHARACTERS] for each in vectors if texts[each].strip()}
