"""The text of a hit with matches highlighted, cut to the relevant part. Pure.

Texts come from tills and people, so all of them are escaped by ``format_html``.
"""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from neural.retrieval.text import joined_spans, occurrences

LONGEST = 280
"""Characters that are shown of a longer text."""
BEFORE = 60
"""Characters of these that are shown before the match."""
MOST_HIGHLIGHTS = 500
"""In one text, only the first so many matches are highlighted."""


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
    """The text, escaped and highlighted. A long text is cut to the part around the first of
    ``parts`` that is in it."""
    if len(text) <= longest:
        return highlight(text, parts)
    found = next((place for part in parts if part and (place := text.find(part)) >= 0), 0)
    start = _begin_of_a_word(text, max(0, min(found - BEFORE, len(text) - longest)))
    end = start + longest
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    return format_html("{}{}{}", head, highlight(text[start:end].strip(), parts), tail)


def _begin_of_a_word(text: str, start: int) -> int:
    """The beginning of the next word, if this position is inside a Latin word and the next one is
    near."""
    if not start or not (text[start - 1].isascii() and text[start - 1].isalnum()):
        return start
    space = text.find(" ", start, start + BEFORE // 2)
    return start if space < 0 else space + 1


def _spans(text: str, parts: Sequence[str]) -> list[tuple[int, int]]:
    """Where the parts are; those that touch or overlap become one."""
    found = (span for part in dict.fromkeys(parts) if part for span in occurrences(text, part))
    return joined_spans(sorted(found)[:MOST_HIGHLIGHTS])
