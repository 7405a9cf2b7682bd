"""Errors of django-ninja, Django and the database as problem details."""

from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from neural.api.problems import ApiProblem, database_away, problem_response
from neural.events.answers import Problem


def handle_errors(api: NinjaAPI) -> None:
    """Answer the errors that an endpoint may meet with problem details. What nobody foresaw stays
    an error of the project, which its own handlers report."""
    for error, problem_of in _PROBLEMS.items():
        api.add_exception_handler(error, _answering(problem_of))


def _answering(problem_of: Any) -> Any:
    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        return problem_response(problem_of(error))

    return answer


def _of_http_error(error: HttpError) -> ApiProblem:
    return ApiProblem(error.status_code, error.message)


def _of_authentication(error: AuthenticationError) -> ApiProblem:
    return ApiProblem(401, error.message, headers={"WWW-Authenticate": "Bearer"})


def _of_validation(error: ValidationError) -> ApiProblem:
    problems = [
        Problem(".".join(str(step) for step in each["loc"][1:]) or "body", each["msg"])
        for each in error.errors
    ]
    return ApiProblem(422, "the request is not valid", errors=problems)


def _of_not_found(error: Http404) -> ApiProblem:
    return ApiProblem(404, "there is no such thing, or the key may not see it")


def _of_database(error: Exception) -> ApiProblem:
    return database_away()


_PROBLEMS: dict[type[Exception], Any] = {
    AuthenticationError: _of_authentication,
    HttpError: _of_http_error,
    ValidationError: _of_validation,
    Http404: _of_not_found,
    OperationalError: _of_database,
    InterfaceError: _of_database,
}
