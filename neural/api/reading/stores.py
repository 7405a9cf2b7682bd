"""The endpoint of stores: those of the key."""

import datetime as dt
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from ninja import Query, Router, Schema
from pydantic import Field, PlainSerializer, WithJsonSchema

from neural.api.access import Caller, KeyWith
from neural.api.models import Scope
from neural.api.reading.fields import text
from neural.api.reading.pages import cursor_at, link_to_next, page_size, place_in
from neural.models import Store as StoreRow

LIST = "stores"

router = Router(tags=["Stores"])
_: Any = gettext_lazy  # django-ninja's annotations know no lazy text

TimeOfDay = Annotated[
    dt.time,
    PlainSerializer(lambda time: time.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "examples": ["04:00:00"]}),
]


class Store(Schema):
    """A restaurant or shop."""

    code: str = Field(examples=["S01"])
    name: str = Field(examples=["人民广场店"])
    brand: str
    region: str = Field(examples=["上海"])
    country: str = Field(examples=["CN"], description="ISO 3166-1; may be empty.")
    time_zone: str = Field(
        examples=["Asia/Shanghai"], description="A name of the time zone database."
    )
    day_ends_at: TimeOfDay = Field(
        description="Local time; sales before it belong to the business day before."
    )
    confirmed: bool = Field(
        description="False for a store that an event named first, until a person has looked."
    )


class StoreList(Schema):
    """A page of stores by their codes."""

    items: list[Store]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class Paging(Schema):
    """The parameters of a list."""

    limit: int | None = Field(
        None, ge=1, le=1000, description="The most stores of a page.", examples=[100]
    )
    cursor: text(400) | None = Field(  # type: ignore[valid-type]
        None, description="The member `next` of the page before."
    )


@router.get(
    "/stores",
    auth=KeyWith(Scope.EVENTS_READ),
    response=StoreList,
    operation_id="list_stores",
    summary=_("List stores"),
)
def list_stores(request: HttpRequest, response: HttpResponse, asked: Query[Paging]) -> StoreList:
    """The stores that the key may see, sorted by their codes, with time zone and business day."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    size, after = page_size(asked.limit), place_in(LIST, asked.cursor)
    rows = StoreRow.objects.in_stores(caller.stores).order_by("pk")
    found = list((rows if after is None else rows.filter(pk__gt=after))[: size + 1])
    following = cursor_at(LIST, found[size - 1].pk) if len(found) > size else None
    link_to_next(request, response, following)
    fields = list(Store.model_fields)
    return StoreList(
        items=[Store(**{name: getattr(row, name) for name in fields}) for row in found[:size]],
        next=following,
    )
