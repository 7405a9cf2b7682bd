"""Version 1 of the API: its endpoints are those of this package and of installed apps.

An app adds endpoints in a module ``neural_api`` with a ``router`` (django-ninja's ``Router``).
Each endpoint requires a key: ``auth=KeyWith(Scope.…)``. One that names no scope stays closed.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from importlib import import_module
from importlib.util import find_spec
from inspect import iscoroutinefunction, unwrap
from typing import Any, TypeAlias

from django.apps import apps
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import get_language
from ninja import NinjaAPI
from ninja.errors import ValidationError

from neural.api.access import NoKeyOpens
from neural.api.limits import with_limits
from neural.api.openapi import Document
from neural.api.problems import add_handlers
from neural.api.submitting.examples import components

APP_MODULE = "neural_api"
# Reads of events add to the router of their submission: of two routers with one path, Django asks
# the first alone.
_OWN = (
    "neural.api.submitting.endpoints",
    "neural.api.reading.events",
    "neural.api.reading.runs",
    "neural.api.reading.stores",
)

Place: TypeAlias = tuple[int | str, ...]


def build() -> NinjaAPI:
    """The API with the endpoints of all installed apps."""
    api = StrictAPI(
        title="Zhilian Neural",
        version="1",
        urls_namespace="neural_api",
        docs_url=None,
        auth=NoKeyOpens(),
    )
    api.add_decorator(_checked, mode="view")
    add_handlers(api)
    routers = [import_module(module).router for module in (*_OWN, *_of_apps())]
    for router in dict.fromkeys(routers):
        api.add_router("", router)
    return api


def _of_apps() -> list[str]:
    named = [f"{config.name}.{APP_MODULE}" for config in apps.get_app_configs()]
    return [module for module in named if find_spec(module) is not None]


class StrictAPI(NinjaAPI):
    """An API whose document is complete, and whose errors name parameters as requests have them."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> Any:
        """The OpenAPI document, in the language of the request."""
        if path_prefix is None:
            path_prefix = self.get_root_path(path_params or {})
        place = (get_language(), path_prefix)
        if place not in self._documents:
            self._documents[place] = Document(self, path_prefix, components())
        return self._documents[place]

    @cached_property
    def _documents(self) -> dict[tuple[str | None, str], Document]:
        """The documents by language and prefix; they change with the code alone."""
        return {}

    def validation_error_from_error_contexts(self, error_contexts: Any) -> ValidationError:
        """django-ninja's error, with the name of each parameter as the request has it, also for an
        item of a list."""
        errors = []
        for context in error_contexts:
            names = context.model.__ninja_flatten_map_reverse__
            for each in context.pydantic_validation_error.errors(
                include_url=False, include_input=False, include_context=False
            ):
                place = _renamed(each["loc"], names)
                errors.append({**each, "loc": (context.model.__ninja_param_source__, *place)})
        return ValidationError(errors)


def _renamed(place: Place, names: Mapping[Place, Place]) -> Place:
    """The place in a request of a value at a place in a parameter's model."""
    for length in range(len(place), 0, -1):
        if place[:length] in names:
            return (*names[place[:length]], *place[length:])
    return place


def _checked(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of an operation's ``run``: its key refuses query parameters that it does not have,
    and every answer, errors too, says where the key stands."""
    parameters = {
        name
        for model in unwrap(run).__self__.models
        if model.__ninja_param_source__ == "query"
        for name in getattr(model, "__ninja_flatten_map__", model.model_fields)
    }
    if iscoroutinefunction(run):

        @wraps(run)
        async def running(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.api_parameters = parameters  # type: ignore[attr-defined]
            return with_limits(request, await run(request, *args, **kwargs))
    else:

        @wraps(run)
        def running(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.api_parameters = parameters  # type: ignore[attr-defined]
            return with_limits(request, run(request, *args, **kwargs))

    return running
