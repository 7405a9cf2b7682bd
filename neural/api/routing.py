"""The URL patterns of the API: endpoints of several routers on one path, and errors as problems."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, re_path
from ninja import NinjaAPI

from neural.api.problems import ApiProblem, problem_response

View = Callable[..., HttpResponseBase]


def patterns_of(api: NinjaAPI) -> tuple[list[Any], str, str]:
    """The URL patterns of an API, to be mounted by ``path(…, patterns_of(api))``.

    Django calls the first view whose pattern fits, but two routers may have endpoints of different
    methods on one path: here the next view is asked if one does not allow the method. A path that
    nothing fits is answered with a problem as well.
    """
    patterns, app_name, namespace = api.urls
    views: dict[str, list[View]] = {}
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.callback is not None:
            views.setdefault(str(pattern.pattern), []).append(pattern.callback)
    joined = [
        path(route, _joined(views[route]), name=pattern.name)
        for pattern in patterns
        if isinstance(pattern, URLPattern) and (route := str(pattern.pattern)) in views
    ]
    return [*joined, re_path("", _joined([_not_found]))], app_name, namespace


def _joined(views: Sequence[View]) -> View:
    distinct = list(dict.fromkeys(views))

    def view(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        allowed: set[str] = set()
        for each in distinct:
            response = each(request, *arguments, **named)
            if response.status_code != 405:
                return response
            allowed |= {method.strip() for method in response["Allow"].split(",")}
        return problem_response(
            ApiProblem(
                405,
                f"{request.method} is not allowed here",
                headers={"Allow": ", ".join(sorted(allowed))},
            )
        )

    view.csrf_exempt = True  # type: ignore[attr-defined]  # a key is given, and no cookie
    # Accepted means committed: with ATOMIC_REQUESTS, the response would be made before the commit.
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(view)
    return view


def _not_found(request: HttpRequest, *_: Any, **__: Any) -> HttpResponseBase:
    return problem_response(ApiProblem(404, "there is nothing at this address"))
