"""Every endpoint refuses every wrong key, and a key sees and changes its own stores alone.

The matrix finds the endpoints by itself: one without a scope, or without a line in ``expected``,
fails here with a sentence that says what to do.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpRequest
from ninja import Router

from neural.api.access import KeyWith
from neural.api.models import Scope
from neural.api.openapi import operations
from neural.api.version1 import build
from neural.forecasting.models import Forecast
from neural.models import NeuralEvent, Store
from neural.restaurant.models import DayClose, Order
from neural.retrieval.query.hits import Found, Hit, Why
from tests.unit.admin import admin_world
from tests.unit.api import api_world
from tests.unit.api.api_matrix import MARK, MINE, THEIRS, Line, violations
from tests.unit.forecasting import learning_world

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


DAY = dt.date(2026, 5, 1)


def expected(rows: "Rows") -> Mapping[str, Line]:
    """A line for every operation: its scope, and a request for something of the other store."""
    event, run = {"id": rows.event.pk}, {"task_id": rows.run.task_id}
    new = {"type": "order.created", "store": THEIRS, "source": "till", "event_id": "new-1"}
    new |= {"payload": {"order_id": "1", "lines": []}}
    order = {"store": THEIRS, "order": rows.order.key}
    forecast = {"store": THEIRS, "from": "2026-05-02", "to": "2026-05-03"}
    submitting = {"shows": False, "changes": True}
    return {
        "POST /events": Line(Scope.EVENTS_WRITE, body=new, **submitting),
        "POST /events/batch": Line(Scope.EVENTS_WRITE, body=[new], **submitting),
        "GET /events": Line(Scope.EVENTS_READ),
        "GET /events/{id}": Line(Scope.EVENTS_READ, event),
        "POST /events/{id}/retry": Line(Scope.RUNS_RETRY, event, changes=True),
        "GET /runs/{path:task_id}": Line(Scope.EVENTS_READ, run),
        "POST /runs/retry": Line(Scope.RUNS_RETRY, body={"all": True}, changes=True),
        "GET /stores": Line(Scope.EVENTS_READ),
        "GET /orders/{store}/{path:order}": Line(Scope.EVENTS_READ, order),
        "GET /days/{store}/{day}": Line(Scope.EVENTS_READ, {"store": THEIRS, "day": DAY}),
        "GET /search": Line(Scope.SEARCH, query={"q": "dish", "collection": "dishes"}),
        "GET /forecasts": Line(Scope.FORECASTS, query=forecast),
    }


@dataclass
class Rows:
    """Rows of the store THEIRS, each with :data:`MARK` in what it shows."""

    event: Any
    run: Any
    order: Order
    forecast: Forecast


@pytest.fixture(autouse=True)
def _patient(settings):
    """The matrix is a guesser: no limit turns it away."""
    settings.NEURAL = {**settings.NEURAL, "api_failures_per_minute": 1_000_000}


@pytest.fixture(autouse=True)
def rows() -> Rows:
    """A store that has nothing, and one that has a row of every kind."""
    Store.objects.create(code=MINE)
    theirs = Store.objects.create(code=THEIRS, name=MARK)
    DayClose.objects.create(store=theirs, business_day=DAY, till=MARK, version=b"1")
    event = admin_world.event(MARK, at=THEIRS, payload={"order_id": MARK, "lines": []})
    return Rows(
        event,
        admin_world.run("dead", event=event, store=theirs, handler=MARK, task_id=f"run-{MARK}"),
        Order.objects.create(store=theirs, key="12", number=MARK),
        learning_world.forecast(theirs, MARK, made_on=DAY),
    )


@pytest.fixture(autouse=True)
def _searched(monkeypatch):
    """A search index that holds a record of THEIRS."""

    def search(question: str, collection: str, *, stores: Any, **_: Any) -> Found:
        hit = Hit(
            collection=collection,
            id="1",
            store=THEIRS,
            kind="",
            at=None,
            title=MARK,
            names=(),
            text="",
            score=1.0,
            why=Why(),
        )
        return Found([hit] if stores is None or THEIRS in stores else [])

    monkeypatch.setattr("neural.retrieval.neural_api.search", search, raising=False)


def wrong_with(router: Router, table: Mapping[str, Line]) -> list[str]:
    with api_world.mounted(router) as api:
        every = violations(api, table)
    return [each for each in every if "/probe" in each]


def test_every_operation_refuses_every_wrong_key(rows) -> None:
    with api_world.mounted() as api:
        assert violations(api, expected(rows)) == []


# That the matrix finds what is wrong


def reading(*, limited: bool = True, **options: Any) -> Router:
    """A router with an endpoint that reads an event, whoever's it is unless ``limited``."""
    router = Router()
    options.setdefault("auth", KeyWith(Scope.EVENTS_READ))

    @router.get("/probe/{id}", **options)
    def read(request: HttpRequest, id: int) -> Any:  # noqa: A002
        stores = request.auth.stores if limited else None
        event = NeuralEvent.objects.in_stores(stores).filter(pk=id).first()
        return {"payload": event and event.payload}

    return router


def line(event: Any, **options: Any) -> dict[str, Line]:
    given = {"scope": Scope.EVENTS_READ, "path": {"id": event.pk}, **options}
    return {"GET /probe/{id}": Line(**given)}


def test_an_endpoint_that_is_in_order_passes(rows) -> None:
    assert wrong_with(reading(), line(rows.event)) == []


def test_a_new_endpoint_fails_until_the_table_knows_it(rows) -> None:
    (said,) = wrong_with(reading(), {})

    assert "GET /probe/{id}" in said
    assert "add a line to `expected`" in said


def test_an_endpoint_without_a_scope_stays_closed_and_fails() -> None:
    router = Router()
    router.post("/probe")(lambda request: {"mark": MARK})

    said = wrong_with(router, {})

    assert any("declare auth=KeyWith(Scope.…)" in each for each in said)
    assert any("answers 403 instead of 401 with no key" in each for each in said)
    assert not any("shows" in each for each in said)


def test_an_endpoint_that_is_open_to_everybody_fails(rows) -> None:
    router = Router()
    router.get("/probe", auth=None)(lambda request: {"mark": MARK})

    said = wrong_with(router, {"GET /probe": Line(Scope.SEARCH)})

    assert any("asks for no key" in each for each in said)
    for who in ("no key", "garbage", "a revoked key", "an expired key", "a login and no key"):
        assert any(f"answers 200 instead of 401 with {who}" in each for each in said)


def test_an_endpoint_that_shows_other_stores_fails(rows) -> None:
    said = wrong_with(reading(limited=False), line(rows.event))

    assert len(said) == 2
    assert "shows a key of another store a row" in said[0]
    assert "shows a key of no store a row" in said[1]


def test_an_endpoint_that_changes_other_stores_fails(rows) -> None:
    router = Router()

    @router.post("/probe/{id}", auth=KeyWith(Scope.RUNS_RETRY))
    def change(request: HttpRequest, id: int) -> Any:  # noqa: A002
        NeuralEvent.objects.filter(pk=id).update(source=request.auth.name)
        return {}

    given = Line(Scope.RUNS_RETRY, {"id": rows.event.pk}, shows=False, changes=True)
    said = wrong_with(router, {"POST /probe/{id}": given})

    assert len(said) == 2
    assert all("change rows of a store that is not its own" in each for each in said)


def test_an_endpoint_with_another_scope_than_the_table_says_fails(rows) -> None:
    said = wrong_with(reading(), line(rows.event, scope=Scope.SEARCH))

    assert any("requires events:read, but the table says search" in each for each in said)


def test_a_login_in_place_of_a_key_fails(rows) -> None:
    router = reading(limited=False, auth=[lambda request: request.user.is_authenticated])

    said = wrong_with(router, line(rows.event))

    assert any("answers 200 instead of 401 with a login and no key" in each for each in said)


def test_a_request_that_proves_nothing_fails(rows) -> None:
    said = wrong_with(reading(), line(rows.event, path={"id": rows.event.pk + 1}))

    assert ["correct the request in the table" in each for each in said] == [True]


def test_every_method_and_every_router_in_a_router_is_found() -> None:
    inner, outer = Router(), Router()
    inner.api_operation(["PUT", "PATCH"], "/probe")(lambda request: 1)
    inner.delete("/probe")(lambda request: 1)
    outer.add_router("/inner", inner)
    outer.get("")(lambda request: 1)
    before = {each.label for each in operations(build())}
    api = build()
    api.add_router("/outer", outer)
    found = {each.label for each in operations(api)}

    added = {"GET /outer", *(f"{each} /outer/inner/probe" for each in ("PUT", "PATCH", "DELETE"))}
    assert found - before == added
