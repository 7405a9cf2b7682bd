"""How a hit is shown: its text with matches highlighted and cut to the relevant part, and why it is
one.

Texts come from tills and people, so all of them are escaped by ``format_html``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from neural.admin.display import page_address
from neural.admin.look_up import Answer as Named
from neural.kit.sites import address_in_admin
from neural.models import TaskRun
from neural.retrieval.admin.answer import Answer, Section
from neural.retrieval.admin.criteria import EVENTS
from neural.retrieval.collections.registry import SearchCollection
from neural.retrieval.collections.trade import shown_as
from neural.retrieval.query.evidence import (
    BEGINNINGS,
    MEANING,
    NAMES,
    NUMBER,
    SOUNDS,
    SPELLING,
    WORDS,
)
from neural.retrieval.query.hits import BEGINS, ENDS, EXACT, SLIP, Hit
from neural.retrieval.text import compatible, joined_spans, occurrences

LONGEST = 280
"""Characters that are shown of a longer text."""
BEFORE = 60
"""Characters of these that are shown before the match."""
MOST_HIGHLIGHTS = 500
"""In one text, only the first so many matches are highlighted."""


def highlight(text: str, parts: Sequence[str]) -> SafeString:
    """The text, escaped, with every occurrence of these parts highlighted; those that touch or
    overlap become one."""
    pieces: list[SafeString] = []
    visible = 0
    found = (span for part in dict.fromkeys(parts) if part for span in occurrences(text, part))
    for start, end in joined_spans(sorted(found)[:MOST_HIGHLIGHTS]):
        pieces.append(format_html("{}<mark>{}</mark>", text[visible:start], text[start:end]))
        visible = end
    pieces.append(format_html("{}", text[visible:]))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def excerpt(text: str, parts: Sequence[str]) -> SafeString:
    """The text, escaped and highlighted. A long text is cut to the part around the first of
    ``parts`` that is in it."""
    if len(text) <= LONGEST:
        return highlight(text, parts)
    found = next((place for part in parts if part and (place := text.find(part)) >= 0), 0)
    start = _begin_of_a_word(text, max(0, min(found - BEFORE, len(text) - LONGEST)))
    end = start + LONGEST
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    return format_html("{}{}{}", head, highlight(text[start:end].strip(), parts), tail)


def _begin_of_a_word(text: str, start: int) -> int:
    """The beginning of the next word, if this position is inside a Latin word and the next one is
    near."""
    if not start or not (text[start - 1].isascii() and text[start - 1].isalnum()):
        return start
    space = text.find(" ", start, start + BEFORE // 2)
    return start if space < 0 else space + 1


def matches_of(hit: Hit) -> list[str]:
    """What matched, to be highlighted."""
    return [*hit.why.names, *hit.why.parts]


MOST_NAMES = 12


def shown_names(hit: Hit) -> list[str]:
    """The names to show, about two lines: none if the text shows them all, else first those that
    matched."""
    if len(hit.text) <= LONGEST and all(name in hit.text for name in hit.names):
        return []
    matched = [name for name in hit.names if any(part in name for part in hit.why.parts)]
    first = dict.fromkeys([*hit.why.names, *matched, *hit.names])
    stored = [name for name in first if name in hit.names][:MOST_NAMES]
    return sorted(stored, key=hit.names.index)


# Why it is a hit


MOST_MATCHED = 4
EVIDENCE: Mapping[str, Any] = {
    EXACT: gettext_lazy("exact number"),
    BEGINS: gettext_lazy("number that begins so"),
    ENDS: gettext_lazy("number that ends so"),
    SLIP: gettext_lazy("one digit differs"),
    NAMES: gettext_lazy("whole name"),
    WORDS: gettext_lazy("words"),
    BEGINNINGS: gettext_lazy("begins like it"),
    SPELLING: gettext_lazy("spelt nearly so"),
    SOUNDS: gettext_lazy("sounds like it"),
    MEANING: gettext_lazy("meant alike"),
}
"""What kinds of evidence are called; numbers by how they are like that of the query."""


class Reason(NamedTuple):
    """A kind of evidence for a hit, what of the record it is, and its share of the score in per
    cent."""

    kind: str
    label: str
    matched: str
    share: float


def reasons_of(hit: Hit) -> list[Reason]:
    """The evidence for a hit, the strongest kind first."""
    why = hit.why
    whole = sum(why.scores.values())
    return [
        Reason(
            kind=kind,
            label=str(EVIDENCE[why.number or EXACT if kind == NUMBER else kind]),
            matched=_(", ").join(why.matched.get(kind, ())[:MOST_MATCHED]),
            share=100 * score / whole,
        )
        for kind, score in why.scores.items()
        if score > 0
    ]


# What leads on from there


def label_in(code: str, collection: SearchCollection) -> str:
    """What a kind or another code of a collection is called in the reader's language."""
    chinese = (get_language() or "").startswith("zh")
    return str(collection.labels.get(code) or shown_as(code, chinese=chinese))


def without_limits(context: Any, words: Sequence[str]) -> list[tuple[str, str]]:
    """Each word that is guessed to limit the search, with the query string of the same search in
    which it stands in quotes, and so is a word like any other."""
    asked = context["request"].GET.copy()
    text = compatible(asked.get("q", ""))

    def changed(word: str) -> str:
        asked["q"] = text.replace(word, f'"{word}"', 1)
        return "?" + asked.urlencode()

    return [(word, changed(word)) for word in words]


def with_pages_and_runs(section: Section, user: Any) -> list[tuple[Hit, str, list[TaskRun]]]:
    """Each hit with the address of its page (empty if it has none), and with the runs of the event
    that it is, as far as the user may see them."""
    found: dict[str, list[TaskRun]] = {}
    if section.collection.name == EVENTS and user.has_perm("neural.view_taskrun"):
        # An ingested event may have any id, also one with too many digits for a primary key.
        numbers = [int(hit.id) for hit in section.hits if re.fullmatch("[0-9]{1,18}", hit.id)]
        runs: Any = TaskRun.objects.for_user(user).filter(event_id__in=numbers)
        for run in runs.only("event_id", "state", "handler", "task").order_by("handler", "pk"):
            found.setdefault(str(run.event_id), []).append(run)
    return [(hit, address, found.get(hit.id, [])) for hit, address in section.with_pages()]


MOST_SUGGESTED = 8


class Suggestion(NamedTuple):
    """A record that is likely meant while one types, and the strongest evidence for it."""

    title: str
    label: Any
    store: str
    matches: Sequence[str] = ()
    reason: Reason | None = None


def suggested(answer: Answer, named: Named | None) -> list[tuple[str, Suggestion]]:
    """What an id names, and the best hits of all collections, each by its address."""
    found: dict[str, Suggestion] = {}
    for rows in named.exact if named else ():
        for each in rows.shown:
            found[page_address(each.row)] = Suggestion(str(each.row), rows.of.label, each.store)
    best = [(each.collection, *own) for each in answer.sections for own in each.with_pages()]
    best = sorted(best, key=lambda each: _likeliest(each[1]))[:MOST_SUGGESTED]
    for collection, hit, address in best:
        if not address:
            asked = urlencode({"q": hit.title, "collection": collection.name})
            address = f"{address_in_admin('neural_retrieval_search_changelist')}?{asked}"
        reason = next(iter(reasons_of(hit)), None)
        more = Suggestion(hit.title or hit.id, collection.label, hit.store, matches_of(hit), reason)
        found.setdefault(address, more)
    found.pop("", None)
    return list(found.items())[:MOST_SUGGESTED]


def _likeliest(hit: Hit) -> tuple[float, bool]:
    """Of equal hits, a dish that is called so is meant rather than an order of it."""
    return -round(hit.score, 2), not any(part in hit.title for part in hit.why.parts)
