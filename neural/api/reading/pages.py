"""Pages of lists: opaque cursors, the size of a page, and the link to the next one."""

import base64
import binascii

from django.http import HttpRequest, HttpResponse

from neural.api.conf import conf
from neural.api.problems import ApiProblem
from neural.api.reading.fields import LARGEST_KEY
from neural.events.answers import Problem
from neural.kit.storable import is_storable

LONGEST_CURSOR = 400


def page_size(limit: int | None) -> int:
    """How many rows a page has. Raises :class:`ApiProblem` if more are asked for than one may."""
    most = conf().api_page_size
    if limit is None:
        return most
    if limit > most:
        raise invalid("query.limit", f"is at most {most}")
    return limit


def cursor_at(kind: str, place: str | int) -> str:
    """The cursor of a list of this kind whose next page begins after ``place``."""
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def place_in(kind: str, cursor: str | None) -> str | None:
    """The place in a cursor of this kind; None without a cursor. Raises :class:`ApiProblem` for a
    text that is none."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        of_kind, _, place = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        of_kind, place = "", ""
    if of_kind != kind or not is_storable(place) or cursor_at(kind, place) != cursor:
        raise invalid("query.cursor", "is none: take the one in the answer's member next")
    return place


def key_in(kind: str, cursor: str | None) -> int | None:
    """The row's key in a cursor of this kind; None without a cursor."""
    place = place_in(kind, cursor)
    if place is None:
        return None
    if not (place.isascii() and place.isdigit() and int(place) <= LARGEST_KEY):
        raise invalid("query.cursor", "is none: take the one in the answer's member next")
    return int(place)


def link_to_next(request: HttpRequest, response: HttpResponse, cursor: str | None) -> None:
    """Name the next page in the header Link (RFC 8288), if there is one."""
    if cursor is not None:
        query = request.GET.copy()
        query["cursor"] = cursor
        response["Link"] = f'<{request.path}?{query.urlencode()}>; rel="next"'


def invalid(field: str, reason: str) -> ApiProblem:
    """The problem of one parameter."""
    return ApiProblem(422, f"{field} {reason}", errors=[Problem(field, reason)])
