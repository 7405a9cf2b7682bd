"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``."""

from typing import Any

from django.db import connections, transaction
from django.urls import path
from ninja import NinjaAPI

from neural.api.docs import docs_view
from neural.api.version1 import build


def open_to_keys(api: NinjaAPI) -> Any:
    """The URL patterns of the API, exempt from what a project asks of views for people."""
    patterns, app_name, namespace = api.urls
    for each in patterns:
        view: Any = each.callback
        # A project may ask for a login everywhere (LoginRequiredMiddleware); the API asks for a
        # key.
        view.login_required = False
        # Accepted means committed: with ATOMIC_REQUESTS, the response would be made before.
        for alias in connections:
            transaction.non_atomic_requests(using=alias)(view)
    return patterns, app_name, namespace


api = build()

urlpatterns = [
    path("v1/", open_to_keys(api)),
    path("docs", docs_view(api), name="neural_api_docs"),
]
