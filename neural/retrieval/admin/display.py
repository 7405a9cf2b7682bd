"""The text of a hit with matches highlighted, cut to the relevant part. Pure.

Texts come from tills and people, so all of them are escaped by ``format_html``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from neural.admin.display import NOTHING
from neural.models import TaskRun
from neural.personal.redacting import sees_personal_data
from neural.retrieval.admin.answer import Answer, masked_hits
from neural.retrieval.admin.criteria import EVENTS, SearchCriteria, searchable_by
from neural.retrieval.collections.registry import SearchCollection
from neural.retrieval.query.hits import Hit
from neural.retrieval.text import joined_spans, occurrences
from neural.sites import address_in_admin

LONGEST = 280
"""Characters that are shown of a longer text."""
BEFORE = 60
"""Characters of these that are shown before the match."""
MOST_HIGHLIGHTS = 500
"""In one text, only the first so many matches are highlighted."""


def highlight(text: str, parts: Sequence[str]) -> SafeString:
    """The text, escaped, with every occurrence of these parts highlighted."""
    pieces: list[SafeString] = []
    visible = 0
    for start, end in _spans(text, parts):
        pieces.append(format_html("{}<mark>{}</mark>", text[visible:start], text[start:end]))
        visible = end
    pieces.append(format_html("{}", text[visible:]))
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


MOST_NAMES = 12
WAYS: Mapping[str, Any] = {
    "names": gettext_lazy("names"),
    "words": gettext_lazy("words"),
    "pinyin": gettext_lazy("sound"),
    "meaning": gettext_lazy("meaning"),
}
"""Names of the ways in which a record is found, by their keys in ``scores``."""


@dataclass(frozen=True)
class Reason:
    """One way in which a hit was found, and what it added to the score."""

    way: str
    label: str
    names: str
    score: float
    width: float
    """The length of its bar, in per cent."""


@dataclass(frozen=True)
class ShownHit:
    """A hit as the page shows it."""

    hit: Hit
    title: SafeString
    names: Sequence[SafeString]
    names_left: int
    text: SafeString
    reasons: Sequence[Reason]
    address: str
    similar_address: str
    kind_address: str
    events_address: str
    runs: Sequence[TaskRun]


@dataclass(frozen=True)
class ShownSection:
    """The hits of one collection as the page shows them."""

    collection: SearchCollection
    hits: Sequence[ShownHit]
    there_may_be_more: bool
    more_address: str


def shown(answer: Answer, criteria: SearchCriteria, user: Any) -> list[ShownSection]:
    """The sections of an answer, with links to what this user may see."""
    sees_events = EVENTS in {each.name for each in searchable_by(user)}
    sections = []
    for section in answer.sections:
        found = section.hits
        if not sees_personal_data(user):
            found = masked_hits(found, section.collection)
        runs = runs_of(found, user) if section.collection.name == EVENTS else {}
        whole = max(1.0, *(each for hit in found for each in hit.why.scores.values()), 0)
        hits = [
            _shown(hit, section.collection, criteria, runs.get(hit.id, ()), sees_events, whole)
            for hit in found
        ]
        more = section.there_may_be_more, section.more_address
        sections.append(ShownSection(section.collection, hits, *more))
    return sections


def runs_of(hits: Sequence[Hit], user: Any) -> dict[str, list[TaskRun]]:
    """The runs of these events by the events' ids; empty if the user may not see runs."""
    # An ingested event may have any id, also one with too many digits for a primary key.
    numbers = [int(hit.id) for hit in hits if re.fullmatch("[0-9]{1,18}", hit.id)]
    found: dict[str, list[TaskRun]] = {}
    if not user.has_perm("neural.view_taskrun"):
        return found
    runs: Any = TaskRun.objects.for_user(user).filter(event_id__in=numbers)
    for run in runs.only("event_id", "state", "handler", "task").order_by("handler", "pk"):
        found.setdefault(str(run.event_id), []).append(run)
    return found


def _shown(
    hit: Hit,
    collection: SearchCollection,
    criteria: SearchCriteria,
    runs: Sequence[TaskRun],
    sees_events: bool,
    whole: float,
) -> ShownHit:
    parts = [*hit.why.names, *hit.why.parts]
    names = shown_names(hit)
    page = address_in_admin("neural_retrieval_search_changelist")
    own = {"collection": collection.name, "q": "", "like": "", "kind": ""}
    text = sees_events and hit.collection != EVENTS and hit.store
    return ShownHit(
        hit=hit,
        title=highlight(hit.title, parts),
        names=[highlight(name, parts) for name in names],
        names_left=len(hit.names) - len(names) if names else 0,
        text=excerpt(hit.text, parts),
        reasons=reasons_of(hit, whole=whole),
        address=collection.address(hit.key) if collection.address else "",
        similar_address=page + SearchCriteria(like=hit.key, collection=collection.name).address(),
        kind_address=page + criteria.address(**own | {"q": criteria.text, "kind": hit.kind})
        if criteria.text
        else "",
        events_address=page
        + SearchCriteria(text=hit.id, collection=EVENTS, store=hit.store).address()
        if text
        else "",
        runs=runs,
    )


def shown_names(hit: Hit) -> list[str]:
    """The names to show, about two lines: none if the text shows them all, else first those that
    matched."""
    if len(hit.text) <= LONGEST and all(name in hit.text for name in hit.names):
        return []
    matched = [name for name in hit.names if any(part in name for part in hit.why.parts)]
    first = dict.fromkeys([*hit.why.names, *matched, *hit.names])
    stored = [name for name in first if name in hit.names][:MOST_NAMES]
    return sorted(stored, key=hit.names.index)


def reasons_of(hit: Hit, *, whole: float) -> list[Reason]:
    """The ways in which a hit was found, known ones first. A score of ``whole`` has a full bar."""
    scores = hit.why.scores
    ways = [*(way for way in WAYS if way in scores), *(way for way in scores if way not in WAYS)]
    return [
        Reason(
            way=way if way in WAYS else "other",
            label=str(WAYS.get(way, way)),
            names=", ".join(hit.why.names) if way == "names" else "",
            score=scores[way],
            width=min(100.0, 100 * scores[way] / whole),
        )
        for way in ways
        if scores[way] > 0
    ]


def counted(number: int | None) -> str:
    """A number with thousands separators."""
    return NOTHING if number is None else f"{number:,}"
