"""Version 1 of the API: its endpoints are those of this package and of installed apps.

An app adds endpoints in a module ``neural_api`` with a ``router`` (django-ninja's ``Router``).
Each endpoint requires a key: ``auth=KeyWith(Scope.…)``. One that names no scope stays closed.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, partial, wraps
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

from django.apps import apps
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.operation import Operation

from neural.api.access import NoKeyOpens
from neural.api.bodies import read_to_the_end
from neural.api.limits import says_limits
from neural.api.openapi import Document
from neural.api.problems import (
    MOST_ERRORS,
    ApiProblem,
    add_handlers,
    not_allowed,
    not_found,
    problem_response,
)
from neural.events.answers import Problem

APP_MODULE = "neural_api"


def build() -> NinjaAPI:
    """The API with the endpoints of all installed apps."""
    api = StrictAPI(
        title="Zhilian Neural",
        version="1",
        urls_namespace="neural_api",
        docs_url=None,
        auth=NoKeyOpens(),
    )
    api.add_decorator(says_limits, mode="view")
    api.add_exception_handler(ApiProblem, _on_problem)
    add_handlers(api)
    routers = [import_module(module).router for module in (*_OWN, *_of_apps())]
    for router in dict.fromkeys(routers):  # events and history share one
        api.add_router("", router)
    return api


# History adds to the router of events: of two routers with one path, Django asks the first alone.
_OWN = (
    "neural.api.submitting.endpoints",
    "neural.api.reading.events",
    "neural.api.reading.runs",
    "neural.api.reading.stores",
)


def _of_apps() -> list[str]:
    named = [f"{config.name}.{APP_MODULE}" for config in apps.get_app_configs()]
    return [module for module in named if find_spec(module) is not None]


def _on_problem(request: HttpRequest, problem: Any) -> HttpResponse:
    return problem_response(problem)


Place: TypeAlias = tuple[int | str, ...]


class StrictAPI(NinjaAPI):
    """An API whose every error is a problem, and whose document is complete."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> Any:
        """The OpenAPI document, in the language of the request."""
        if path_prefix is None:
            path_prefix = self.get_root_path(path_params or {})
        place = (get_language(), path_prefix)
        if place not in self._documents:
            self._documents[place] = Document(self, path_prefix)
        return self._documents[place]

    @cached_property
    def _documents(self) -> dict[tuple[str | None, str], Document]:
        """The documents by language and prefix; they change with the code alone."""
        return {}

    def validation_error_from_error_contexts(self, error_contexts: Any) -> ValidationError:
        """django-ninja's error, with the name of each parameter as the request has it, also for an
        item of a list."""
        found = []
        for context in error_contexts:
            names = context.model.__ninja_flatten_map_reverse__
            for each in context.pydantic_validation_error.errors(
                include_url=False, include_input=False, include_context=False
            ):
                place = _renamed(each["loc"], names)
                found.append({**each, "loc": (context.model.__ninja_param_source__, *place)})
        return ValidationError(found)

    def _get_bound_routers(self) -> Any:
        is_new = self._bound_routers_cache is None
        routers = super()._get_bound_routers()
        if is_new:
            for operation in _operations(routers):
                operation._get_values = _refusing_unknown(operation)  # type: ignore[method-assign]
        return routers

    def _get_urls(self) -> Any:
        urls: list[Any] = super()._get_urls()
        for each in urls:
            is_document = each.name == "openapi-json"  # django-ninja shows it to every method
            view = require_safe(each.callback) if is_document else each.callback
            each.callback = _answering_problems(view)
        return [*urls, path("<path:rest>", _answering_problems(not_found))]


def _operations(routers: Any) -> list[Operation]:
    """The operations of bound routers."""
    views = (view for router in routers for view in router.path_operations.values())
    return [operation for view in views for operation in view.operations]


def _renamed(place: Place, names: Mapping[Place, Place]) -> Place:
    """The place in a request of a value at a place in a parameter's model."""
    for length in range(len(place), 0, -1):
        if place[:length] in names:
            return (*names[place[:length]], *place[length:])
    return place


def _refusing_unknown(operation: Operation) -> Callable[..., Any]:
    known = {
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in getattr(model, "__ninja_flatten_map__", model.model_fields)
    }
    get_values = operation._get_values

    def get(request: HttpRequest, *args: Any) -> Any:
        if unknown := sorted(request.GET.keys() - known):
            takes = ", ".join(sorted(known)) or "none"
            reason = f"is no parameter here; there are: {takes}"
            raise ApiProblem(
                422,
                f"query.{unknown[0]} {reason}",
                errors=[Problem(f"query.{name}", reason) for name in unknown[:MOST_ERRORS]],
            )
        return get_values(request, *args)

    return get


def _answering_problems(view: Any) -> Callable[..., Any]:
    function: Any = view.func if isinstance(view, partial) else view

    @wraps(function)
    def answer(request: HttpRequest, **parameters: Any) -> HttpResponse:
        if function.__name__ == "default_home":
            return not_found(request)
        response: HttpResponse = _as_get(view, request, parameters)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            read_to_the_end(request)
        if isinstance(response, HttpResponseNotAllowed):
            return not_allowed(request, response)
        return response

    answer.csrf_exempt = True  # type: ignore[attr-defined]
    return answer


def _as_get(view: Any, request: HttpRequest, parameters: Mapping[str, Any]) -> Any:
    """The view's response; HEAD is answered as GET is, without the body.

    django-ninja refuses HEAD, and not every server cuts off the body.
    """
    if request.method != "HEAD":
        return view(request, **parameters)
    request.method = "GET"
    try:
        response = view(request, **parameters)
    finally:
        request.method = "HEAD"
    if not response.streaming:
        response["Content-Length"] = len(response.content)
        response.content = b""
    return response
