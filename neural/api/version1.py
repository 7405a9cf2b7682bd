"""Version 1 of the API: its endpoints are those of this package and of installed apps.

An app adds endpoints in a module ``neural_api`` with a ``router`` (django-ninja's ``Router``).
Each endpoint requires a key: ``auth=KeyWith(Scope.…)``. One that names no scope stays closed.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from neural.api.access import NoKeyOpens
from neural.api.errors import add_handlers
from neural.api.limits import says_limits
from neural.api.problems import ApiProblem, problem_response
from neural.api.strict import StrictAPI

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
_OWN = ("neural.api.events", "neural.api.history", "neural.api.runs", "neural.api.stores")


def _of_apps() -> list[str]:
    named = [f"{config.name}.{APP_MODULE}" for config in apps.get_app_configs()]
    return [module for module in named if find_spec(module) is not None]


def _on_problem(request: HttpRequest, problem: Any) -> HttpResponse:
    return problem_response(problem)
