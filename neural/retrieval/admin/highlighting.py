"""Text of a hit with what matched highlighted, cut to the part that matters. Pure.

Texts come from tills and people: everything goes through ``format_html``.
"""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from neural.retrieval.text.parts import joined, occurrences

LONGEST = 280
"""Characters of a long text that are shown."""
BEFORE = 60
"""Of these, before what matched."""
MOST_HIGHLIGHTS = 500
"""A text in which more than this is highlighted is highlighted so far."""


def highlight(text: str, parts: Sequence[str]) -> SafeString:
    """The text, escaped, with every occurrence of these parts highlighted."""
    pieces: list[SafeString] = []
    shown = 0
    for start, end in _spans(text, parts):
        pieces.append(format_html("{}<mark>{}</mark>", text[shown:start], text[start:end]))
        shown = end
    pieces.append(format_html("{}", text[shown:]))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def excerpt(text: str, parts: Sequence[str], *, longest: int = LONGEST) -> SafeString:
    """The same, of a long text only what is around the longest part that is in it."""
    if len(text) <= longest:
        return highlight(text, parts)
    found = next((place for part in parts if part and (place := text.find(part)) >= 0), 0)
    start = _begin_of_a_word(text, max(0, min(found - BEFORE, len(text) - longest)))
    end = start + longest
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    return format_html("{}{}{}", head, highlight(text[start:end].strip(), parts), tail)


def _begin_of_a_word(text: str, start: int) -> int:
    """A little further on, where this is inside of a word; Chinese may be cut anywhere."""
    if not start or not (text[start - 1].isascii() and text[start - 1].isalnum()):
        return start
    space = text.find(" ", start, start + BEFORE // 2)
    return start if space < 0 else space + 1


def _spans(text: str, parts: Sequence[str]) -> list[tuple[int, int]]:
    """Where parts are, those that touch or overlap as one."""
    found = (span for part in dict.fromkeys(parts) if part for span in occurrences(text, part))
    return joined(sorted(found)[:MOST_HIGHLIGHTS])
