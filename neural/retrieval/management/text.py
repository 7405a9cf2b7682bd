"""The output of `manage.py search`: two lines per hit for people, or JSON for programs."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from neural.management.teaching import wide
from neural.retrieval.query.hits import Found, Hit

WAYS = {"pinyin": "sound"}
"""Ways of finding that have another name for people."""


def table(collection: str, hits: Found) -> Iterator[str]:
    """Two lines per hit: what it is, and why it was found."""
    if hits:
        yield f"{collection}"
    for place, hit in enumerate(hits, 1):
        when = timezone.localtime(hit.at).strftime("%Y-%m-%d %H:%M") if hit.at else "-"
        title, key = one_line(hit.title or hit.id), one_line(hit.key)
        yield f"{place:>4}  {wide(title, 34)}{wide(hit.store or '-', 12)}{when:<18}{key}"
        yield f"      {because(hit)}"


def because(hit: Hit) -> str:
    """Why a hit was found, in one line."""
    ways = [f"{WAYS.get(way, way)} {score:.2f}" for way, score in hit.why.scores.items() if score]
    matched = [one_line(part) for part in (hit.why.names or hit.why.parts)[:5]]
    label = "names" if hit.why.names else "matched"
    told = [f"{label}: {', '.join(matched)}"] if matched else []
    return " · ".join([f"{hit.score:.2f}", *told, *ways])


def one_line(text: str) -> str:
    """The text of a record without characters that would move the cursor."""
    return "".join(each if each.isprintable() else " " for each in text)


def as_json(hits: Found) -> Iterator[str]:
    """One JSON object per hit."""
    for hit in hits:
        yield json.dumps(_as_object(hit), ensure_ascii=False)


def _as_object(hit: Hit) -> dict[str, Any]:
    at: dt.datetime | None = hit.at
    return {
        "collection": hit.collection,
        "key": hit.key,
        "id": hit.id,
        "store": hit.store,
        "kind": hit.kind,
        "at": at and at.isoformat(),
        "title": hit.title,
        "names": list(hit.names),
        "text": hit.text,
        "score": round(hit.score, 4),
        "why": {
            "names": list(hit.why.names),
            "parts": list(hit.why.parts),
            "scores": {way: round(score, 4) for way, score in hit.why.scores.items()},
        },
    }
