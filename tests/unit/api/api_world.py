"""What the tests of the HTTP API have in common: keys, and an API with a test's own endpoints."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from django.http import HttpRequest
from django.test import override_settings
from django.urls import path
from ninja import NinjaAPI, Router

from neural.api import keys
from neural.api.access import KeyWith
from neural.api.models import ApiKey, Scope
from neural.api.urls import open_to_keys
from neural.api.version1 import build
from neural.models import Store

MODULE = "tests.unit.urls_of_this_test"
EVERY_SCOPE = tuple(Scope.values)


def store(code: str) -> Store:
    return Store.objects.get_or_create(code=code)[0]


def key(*codes: str, scopes: Any = EVERY_SCOPE, **fields: Any) -> tuple[ApiKey, str]:
    """A key for these stores; for every store if none is named."""
    stores = [store(code) for code in codes] or None
    return keys.issue(name="till 3", scopes=scopes, stores=stores, **fields)


def bearer(text: str) -> dict[str, Any]:
    """For a test client's ``headers``."""
    return {"Authorization": f"Bearer {text}"}


def whoami() -> Router:
    """A router with one endpoint, which says who calls."""
    router = Router()

    @router.get("/whoami", auth=KeyWith(Scope.EVENTS_READ))
    def whoami(request: HttpRequest) -> Any:
        stores = request.auth.stores
        return {"name": request.auth.name, "stores": stores and sorted(stores)}

    return router


@contextmanager
def mounted(*routers: Router) -> Iterator[NinjaAPI]:
    """The API with these routers, too, mounted as ``neural.api.urls`` mounts it."""
    api = build()
    for router in routers:
        api.add_router("", router)
    module = ModuleType(MODULE)
    module.urlpatterns = [path("api/v1/", open_to_keys(api))]
    sys.modules[MODULE] = module
    try:
        with override_settings(ROOT_URLCONF=MODULE):
            yield api
    finally:
        del sys.modules[MODULE]
