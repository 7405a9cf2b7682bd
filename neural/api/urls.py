"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``.

django-ninja leaves some answers to Django; here they are problems, too: an unknown address, a
method that an address does not have. HEAD is answered like GET.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

from django.contrib.staticfiles import finders
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from neural.api.conf import conf
from neural.api.problems import not_allowed, not_found
from neural.api.version1 import build
from neural.kit.bodies import Body, RequestRefused, take_no_more

REFUSED_SECONDS = 5.0
"""How long the rest of a refused request is waited for."""
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def open_to_keys(api: NinjaAPI) -> Any:
    """The URL patterns of the API, exempt from what a project asks of views for people."""
    patterns, app_name, namespace = api.urls
    each: Any
    for each in patterns:
        # django-ninja shows the document to every method.
        is_document = each.name == "openapi-json"
        each.callback = _open_to_keys(require_safe(each.callback) if is_document else each.callback)
    patterns.append(path("<path:rest>", _open_to_keys(not_found)))
    return patterns, app_name, namespace


def _open_to_keys(view: Any) -> Callable[..., Any]:
    function: Any = view.func if isinstance(view, partial) else view

    @csrf_exempt
    @wraps(function)
    def answer(request: HttpRequest, **parameters: Any) -> HttpResponse:
        if function.__name__ == "default_home":
            return not_found(request)
        response: HttpResponse = _as_get(view, request, parameters)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            _read_to_the_end(request)
        if isinstance(response, HttpResponseNotAllowed):
            return not_allowed(request, response)
        return response

    # A project may ask for a login everywhere (LoginRequiredMiddleware); the API asks for a key.
    answer.login_required = False  # type: ignore[attr-defined]
    # Accepted means committed: with ATOMIC_REQUESTS, the response would be made before.
    for alias in connections:
        transaction.non_atomic_requests(using=alias)(answer)
    return answer


def _read_to_the_end(request: HttpRequest) -> None:
    """Read what a refused request has left of its body, if it is not larger than a batch and comes
    soon; without a valid key, nothing is waited for.

    A server that closes a connection on which bytes are left breaks it: the client, which sends all
    before it reads, would see that instead of the reason.
    """
    if not hasattr(request, "api_allowance"):
        take_no_more(request)
        return
    with suppress(RequestRefused):
        Body(request, conf().api_batch_bytes, REFUSED_SECONDS).drain()


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


@csrf_exempt  # it changes nothing; else another method would have 403 rather than 405
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """All operations, by the Swagger UI that django-ninja ships; without its static files, the
    OpenAPI document that it would show."""
    document = reverse(f"{api.urls_namespace}:openapi-json")
    if finders.find("ninja/swagger-ui-init.js") is None:
        return redirect(document)
    settings = {"url": document, "deepLinking": True, "docExpansion": "list"}
    response = render(request, "neural_api/docs.html", {"api": api, "settings": settings})
    response["Content-Security-Policy"] = DOCS_POLICY
    return response


docs.login_required = False  # type: ignore[attr-defined]  # for LoginRequiredMiddleware

api = build()

urlpatterns = [
    path("v1/", open_to_keys(api)),
    path("docs", docs, name="neural_api_docs"),
]
