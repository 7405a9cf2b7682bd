"""Errors as RFC 9457 problem details: status, title, and each field with its reason."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse

from neural.bodies import RequestRefused
from neural.events.answers import Problem

CONTENT_TYPE = "application/problem+json"


class ApiProblem(RequestRefused):
    """An error answer of the API. ``errors`` names fields and reasons; ``headers`` are added."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status, detail)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members


def problem_body(problem: ApiProblem) -> dict[str, Any]:
    """The problem as an object, with the members of RFC 9457 and ``errors``."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = [{"field": each.field, "reason": each.reason} for each in problem.errors]
    return {**body, **problem.members}


def problem_response(problem: ApiProblem) -> HttpResponse:
    """The problem as a response. Characters beyond ASCII are escaped, so halves of surrogate pairs
    in a reason can be sent, too."""
    return HttpResponse(
        json.dumps(problem_body(problem)),
        status=problem.status.value,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )


RETRY_SECONDS = 5


def database_away() -> ApiProblem:
    """The problem for a database that is not available."""
    return ApiProblem(
        503,
        "the database is not available; send it again: what was recorded already changes nothing",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
