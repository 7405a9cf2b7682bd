"""The API behaves as its OpenAPI document says, whatever is sent: schemathesis makes the requests.

``API_EXAMPLES=200`` sends so many of each kind to each operation; the suite sends few. Operations
that are added later are found in the document.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from neural.api import keys
from neural.api.models import Scope
from neural.api.urls import api
from neural.models import Store, TaskRun
from neural.restaurant.models import Order
from tests.unit.api import api_reading_world as world

EXAMPLES = int(os.environ.get("API_EXAMPLES", 6))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
UNLISTED = 405
"""A method that an address does not have is no operation of the document."""

# In a transaction that is never committed, nothing is published either.
pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def app() -> Iterator[Any]:
    """The WSGI application, which leaves the test's own connection open after a request. (Django's
    test client would connect the signals again.)"""
    moments = (signals.request_started, signals.request_finished)
    for moment in moments:
        moment.disconnect(close_old_connections)
    yield get_wsgi_application()
    for moment in moments:
        moment.connect(close_old_connections)


@pytest.fixture
def rows() -> None:
    """Something to find for each operation."""
    event = world.event("1001")
    world.event("1002", at="S2", type="order.cancelled")
    world.run("dead", task_id="t1", event=event, handler="neural.record_order", error="refused")
    world.run("succeeded", task_id="t2", result={"n": 1})
    Order.objects.create(store=Store.objects.get(pk="S1"), key="12", number="12")


@pytest.fixture
def key() -> str:
    return keys.issue(name="schemathesis", scopes=Scope.values, stores=None)[1]


def document() -> Any:
    """The document that /api/v1/openapi.json answers."""
    return json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))


def operations() -> Iterator[str]:
    """The labels of all operations, like ``GET /api/v1/events``."""
    for path, methods in document()["paths"].items():
        for method in methods:
            yield f"{method.upper()} {path}"


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("label", sorted(operations()))
def test_every_answer_is_documented_and_none_is_an_error_of_ours(
    label: str, mode: GenerationMode, rows: None, key: str, app: Any
) -> None:
    method, path = label.split(" ")
    schema = schemathesis.openapi.from_dict(document())
    schema.app = app
    operation = schema[path][method]
    sent = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        response = case.call(headers={"Authorization": f"Bearer {key}"})
        sent.append(response.status_code)
        if response.status_code not in (UNLISTED,):
            case.validate_response(response, checks=CHECKS)

    check()

    assert sent
    assert TaskRun.objects.filter(task_id="t2", state="succeeded").exists()
