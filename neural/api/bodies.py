"""Reads request bodies as JSON that means one thing only, and what refused requests leave."""

import json
from contextlib import suppress
from typing import Any

from django.http import HttpRequest

from neural import bodies
from neural.api.conf import conf
from neural.api.problems import ApiProblem
from neural.conf import conf as ledger_conf
from neural.stored_json import said_of

REFUSED_SECONDS = 5.0
"""How long the rest of a refused request is waited for."""
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))


class NotReadable(ValueError):
    """A text is no JSON, or JSON that may be read in more than one way; the message says why."""


def check_media_type(request: HttpRequest, accepted: tuple[str, ...]) -> str:
    """The media type of the body, in lower case; :class:`ApiProblem` 415 unless it is accepted and
    its characters are UTF-8 and not compressed."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ApiProblem(
            415,
            f"Content-Encoding {encoding!r} is not accepted; send the body as it is",
            headers={"Accept-Encoding": "identity"},
        )
    media_type = (request.content_type or "").lower()
    if media_type not in accepted:
        told = f"{media_type!r} is not" if media_type else "no Content-Type is"
        raise ApiProblem(
            415,
            f"{told} accepted here; send one of: {', '.join(accepted)}",
            headers={"Accept": ", ".join(accepted)},
        )
    charset = (request.content_params or {}).get("charset", "utf-8").strip("\"'").lower()
    if charset not in _UTF8:
        raise ApiProblem(415, f"the charset {charset!r} is not accepted; send UTF-8")
    return media_type


class Body(bodies.Body):
    """The body of a request to the API, which may take ``api_body_seconds``."""

    refused = ApiProblem

    def __init__(self, request: HttpRequest, limit: int, seconds: float | None = None) -> None:
        super().__init__(request, limit, seconds or conf().api_body_seconds)


def read_to_the_end(request: HttpRequest) -> None:
    """Read what a refused request has left of its body, if it is not larger than a batch and comes
    soon; without a valid key, nothing is waited for.

    A server that closes a connection on which bytes are left breaks it: the client, which sends all
    before it reads, would see that instead of the reason.
    """
    if not hasattr(request, "api_allowance"):
        bodies.take_no_more(request)
        return
    with suppress(ApiProblem):
        Body(request, conf().api_batch_bytes, REFUSED_SECONDS).drain()


def read_json(raw: bytes) -> Any:
    """The value of JSON text in UTF-8, with or without a byte order mark.

    Raises :class:`NotReadable` for what is no JSON (NaN and infinities are none), and for an object
    with the same name twice: readers differ on which of them counts.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(f"is not UTF-8: {error.reason} at byte {error.start + 1}") from error
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_readable(error) from error


def not_readable(error: Exception) -> NotReadable:
    """The reason why :data:`DECODER` could not read a text."""
    if isinstance(error, NotReadable):
        return error
    if isinstance(error, json.JSONDecodeError):
        return NotReadable(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    if isinstance(error, RecursionError):
        return NotReadable(said_of(None, ledger_conf().max_json_depth))
    return NotReadable(f"is not JSON that can be read: {error}")  # a number of 5,000 digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotReadable(f"has an object with the name {twice[:100]!r} twice")
    return read


def _constant(name: str) -> Any:
    raise NotReadable(f"is not JSON: {name} is no number of JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
