"""Every error of the API as RFC 9457 problem details: status, title, each field with its reason."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.handlers.exception import response_for_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from neural.events.answers import Problem
from neural.kit.bodies import RequestRefused

logger = logging.getLogger("neural.api")

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 5
MOST_ERRORS = 50


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


def database_away() -> ApiProblem:
    """The problem for a database that is not available."""
    return ApiProblem(
        503,
        "the database is not available; send it again: what was recorded already changes nothing",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def add_handlers(api: NinjaAPI) -> None:
    """Answer the errors of endpoints, of django-ninja and of the database as problems."""
    api.add_exception_handler(ApiProblem, _on_problem)
    api.add_exception_handler(ValidationError, _on_invalid)
    api.add_exception_handler(HttpError, _on_http_error)
    api.add_exception_handler(AuthenticationError, _on_no_key)
    api.add_exception_handler(Http404, _on_missing)
    api.add_exception_handler(SuspiciousOperation, _on_suspicious)
    for error in (OperationalError, InterfaceError):
        api.add_exception_handler(error, _on_database_away)
    api.add_exception_handler(Exception, _on_fault)


def not_found(request: HttpRequest, **path: Any) -> HttpResponse:
    """The answer for an address that is none of the API's."""
    return problem_response(ApiProblem(404, f"there is no {request.path}; see /api/docs"))


def not_allowed(request: HttpRequest, refused: HttpResponse) -> HttpResponse:
    """The answer for a method that an address does not have."""
    methods = set(refused.headers["Allow"].split(", "))
    allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    detail = f"{request.path} takes {allowed}, not {request.method}"
    return problem_response(ApiProblem(405, detail, headers={"Allow": allowed}))


def _on_problem(request: HttpRequest, problem: Any) -> HttpResponse:
    return problem_response(problem)


def _on_invalid(request: HttpRequest, error: Any) -> HttpResponse:
    found = [_problem_of(each) for each in error.errors[:MOST_ERRORS]]
    detail = "; ".join(str(each) for each in found[:3])
    return problem_response(ApiProblem(422, detail, errors=found))


def _problem_of(error: dict[str, Any]) -> Problem:
    source, *rest = error["loc"]
    # A body is one parameter of the endpoint, whose name is no part of the request.
    names = rest[1:] if source == "body" else rest
    reason = error["msg"].removeprefix("Value error, ")
    return Problem(".".join(map(str, (source, *names))), reason[:1].lower() + reason[1:])


def _on_http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(ApiProblem(error.status_code, _detail(error.message)))


def _on_no_key(request: HttpRequest, error: Any) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"}
    return problem_response(ApiProblem(401, error.message, headers=headers))


def _detail(message: str) -> str:
    if message.startswith("Cannot parse request body"):
        return "the body is no JSON"
    return message


def _on_missing(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(ApiProblem(404, str(error)))


def _on_suspicious(request: HttpRequest, error: Any) -> HttpResponse:
    """Django's limits on a request: the size of its body, the number of its fields."""
    status = 413 if isinstance(error, RequestDataTooBig) else 400
    return problem_response(ApiProblem(status, str(error)))


def _on_database_away(request: HttpRequest, error: Any) -> HttpResponse:
    logger.error("event=api_without_database path=%s error=%r", request.path, str(error))
    return problem_response(database_away())


def _on_fault(request: HttpRequest, error: Any) -> HttpResponse:
    """Django logs and reports it as it does for a page, and the page itself is not sent."""
    response_for_exception(request, error)
    return problem_response(ApiProblem(500, "this is a fault of the server; its log says which"))
