"""System checks of the API: what would leave it without answers is said at start."""

import importlib.util

from ninja import Router

from neural.api import checks
from neural.api.access import KeyWith
from neural.api.models import Scope
from neural.api.version1 import build


def test_the_api_is_in_order() -> None:
    assert checks.check_endpoints() == checks.check_burst() == []


def test_an_endpoint_that_names_no_scope_is_an_error(monkeypatch) -> None:
    router = Router()
    router.get("/open")(lambda request: 1)
    router.get("/for-keys", auth=KeyWith(Scope.SEARCH))(lambda request: 1)
    router.get("/public", auth=None)(lambda request: 1)
    api = build()
    api.add_router("/more", router)
    monkeypatch.setattr("neural.api.version1.build", lambda: api)

    (error,) = checks.check_endpoints()

    assert error.id == "neural_api.E002"
    assert "GET /more/open" in error.msg


def test_a_burst_below_a_batch_is_a_warning(settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_burst": 10}

    (warning,) = checks.check_burst()

    assert warning.id == "neural_api.W001"


def test_settings_that_are_refused_are_another_checks_matter(settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_burst": "many"}

    assert checks.check_burst() == []


def test_plain_http_is_a_warning_of_deployments(settings) -> None:
    settings.SECURE_SSL_REDIRECT = False
    (warning,) = checks.check_encryption()
    assert warning.id == "neural_api.W002"

    settings.SECURE_SSL_REDIRECT = True
    assert checks.check_encryption() == []


def test_the_checks_import_no_ninja_by_themselves() -> None:
    source = importlib.util.find_spec("neural.api.checks").loader.get_source("neural.api.checks")

    assert "\nfrom ninja" not in source
