"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``."""

from typing import Any

from django.db import transaction
from django.urls import path
from ninja import NinjaAPI

from neural.api.version1 import build


def open_to_keys(api: NinjaAPI) -> Any:
    """The URL patterns of the API, exempt from what a project asks of views for people."""
    patterns, app_name, namespace = api.urls
    for each in patterns:
        view: Any = each.callback
        # A project may ask for a login everywhere (LoginRequiredMiddleware); the API asks for a
        # key.
        view.login_required = False
        # With ATOMIC_REQUESTS, a chunk of a batch would be answered before it is committed.
        transaction.non_atomic_requests(view)
    return patterns, app_name, namespace


urlpatterns = [path("v1/", open_to_keys(build()))]
