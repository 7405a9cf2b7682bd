"""URL patterns of the API. Mount them with ``path("api/", include("neural.api.urls"))``."""

from django.db import transaction
from django.urls import path

from neural.api.version1 import build

_patterns, _app_name, _namespace = build().urls
for _each in _patterns:
    # A project may ask for a login everywhere (LoginRequiredMiddleware); the API asks for a key.
    _each.callback.login_required = False
    # With ATOMIC_REQUESTS, a chunk of a batch would be answered before it is committed.
    transaction.non_atomic_requests(_each.callback)

urlpatterns = [path("v1/", (_patterns, _app_name, _namespace))]
