"""The HTTP API's endpoints of search, loaded if ``neural.api`` is installed."""

import logging
from collections.abc import Collection
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from ninja import Query, Router, Schema
from pydantic import Field

from neural.api.access import Caller, KeyWith
from neural.api.models import Scope
from neural.api.problems import ApiProblem
from neural.api.reading.fields import AskedInstant, Instant, StoreCode, text
from neural.api.reading.pages import invalid
from neural.kit.errors import NeuralError
from neural.retrieval.collections.registry import collections
from neural.retrieval.query.hits import Found, missing_everywhere
from neural.retrieval.query.searching import MOST, search

SECONDS_TO_RETRY = 30

router = Router(tags=["Search"])
_: Any = gettext_lazy  # django-ninja's annotations know no lazy text
logger = logging.getLogger("neural.search")


class WhyFound(Schema):
    """Why a record was found."""

    kind: str = Field(
        description="The strongest evidence: number, names, words, beginnings, spelling, sounds or"
        " meaning."
    )
    names: list[str] = Field(description="Names of the record that occur whole in the question.")
    parts: list[str] = Field(description="Pieces of its title, names or text that matched.")
    scores: dict[str, float] = Field(description="What each kind of evidence added to the score.")


class FoundRecord(Schema):
    """A record that was found."""

    key: str = Field(
        examples=["S01/D7"], description="Its key in the collection: the store, a slash and the id."
    )
    id: str = Field(examples=["D7"])
    store: str = Field(examples=["S01"])
    kind: str = Field(examples=["川菜"])
    at: Instant | None
    title: str = Field(examples=["麻婆豆腐"])
    names: list[str]
    text: str
    score: float
    why: WhyFound


class FoundInCollection(Schema):
    """The hits of one collection, best first. Scores of two collections cannot be compared."""

    collection: str = Field(examples=["dishes"])
    hits: list[FoundRecord]


class SearchAnswer(Schema):
    """What was found."""

    collections: list[FoundInCollection]
    notices: list[str] = Field(description="What was left out of the search, and why.")
    limits: list[str] = Field(
        description="Words of the question that are guessed to limit it, like yesterday or a store."
        " In quotes, they are words like any other."
    )
    missing: list[str] = Field(
        description="Parts of the question that no record of these collections has, like a number"
        " that does not exist."
    )


class Question(Schema):
    """What to search for, and where."""

    q: text(400, least=1, example="麻婆豆腐") = Field(  # type: ignore[valid-type]
        description="Words, names or a description, in Chinese or English."
    )
    collection: text(100, example="dishes") | None = Field(  # type: ignore[valid-type]
        None, description="Only this collection, like orders, dishes, staff or events."
    )
    store: list[StoreCode] = Field([], max_length=100, description="In these stores; repeatable.")
    kind: text(200, example="川菜") | None = Field(  # type: ignore[valid-type]
        None, description="Of this kind: an event's type, an order's state, a dish's category."
    )
    since: AskedInstant | None = Field(None, description="Happened at or after this.")
    until: AskedInstant | None = Field(None, description="Happened before this.")
    limit: int = Field(10, ge=1, le=MOST, description="The most hits of a collection.")


@router.get(
    "/search",
    auth=KeyWith(Scope.SEARCH),
    response=SearchAnswer,
    operation_id="search",
    summary=_("Search"),
)
def search_records(request: HttpRequest, asked: Query[Question]) -> SearchAnswer:
    """Records that fit the question, within the stores of the key: by numbers, by whole names, by
    words, by their beginnings, spelling and sound (pinyin), and by meaning. Each hit says why it
    was found, and ``missing`` what was not. 503 while the search index cannot
    be reached."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    known = [each.name for each in collections() if each.in_api]
    names = [name for name in known if asked.collection in (None, name)]
    if not names:
        raise invalid("query.collection", f"is not one of: {', '.join(known)}")
    found = {name: _found(name, asked, _stores(asked, caller)) for name in names}
    return SearchAnswer(
        collections=[
            FoundInCollection(collection=name, hits=[FoundRecord(**hit.as_json()) for hit in hits])
            for name, hits in found.items()
        ],
        notices=list(dict.fromkeys(notice for hits in found.values() for notice in hits.notices)),
        limits=list(dict.fromkeys(word for hits in found.values() for word in hits.limits)),
        missing=missing_everywhere(asked.q, found.values()),
    )


def _stores(asked: Question, caller: Caller) -> Collection[str] | None:
    if not asked.store:
        return caller.stores
    return {code for code in asked.store if caller.may_use(code)}


def _found(collection: str, asked: Question, stores: Collection[str] | None) -> Found:
    try:
        return search(
            asked.q,
            collection,
            since=asked.since,
            top_k=asked.limit,
            until=asked.until,
            kind=asked.kind,
            stores=stores,
        )
    except NeuralError as error:
        logger.warning("event=search_failed collection=%s error=%r", collection, str(error))
        raise ApiProblem(
            503,
            f"{collection} cannot be searched just now; manage.py doctor says why",
            headers={"Retry-After": str(SECONDS_TO_RETRY)},
        ) from error
