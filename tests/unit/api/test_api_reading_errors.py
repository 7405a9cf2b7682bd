"""Whatever is wrong with a request is a problem (RFC 9457), on every endpoint."""

import pytest
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.test import Client

from neural.api.conf import conf
from neural.api.reading import stores
from tests.unit.api.api_reading_world import Caller, fields, problem, store

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["", "nothing", "events/1/other", "stores/", "orders/S1/", "orders"]
)
def test_an_address_that_is_none_is_a_problem(path):
    problem(Caller("S1").get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("delete", "events/1", "GET, HEAD"),
        ("put", "stores", "GET, HEAD"),
        ("get", "runs/retry", "POST"),
        ("patch", "events/1/retry", "POST"),
    ],
)
def test_a_method_that_an_address_does_not_have_is_a_problem_with_those_it_has(
    method, path, allowed
):
    caller = Caller("S1")

    response = getattr(caller.client, method)(f"/api/v1/{path}")

    problem(response, 405)
    assert response["Allow"] == allowed


@pytest.mark.parametrize("path", ["stores", "events", "events/999", "openapi.json"])
def test_head_is_answered_as_get_is_without_the_body(path):
    caller = Caller("S1")

    shown, told = (getattr(caller.client, each)(f"/api/v1/{path}") for each in ("get", "head"))

    assert told.status_code == shown.status_code
    assert told.headers["Content-Type"] == shown.headers["Content-Type"]
    assert int(told.headers["Content-Length"]) == len(shown.content)
    assert told.content == b""


def test_head_is_refused_where_only_post_is_taken():
    response = Caller("S1").client.head("/api/v1/runs/retry")

    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_without_a_key_each_answer_is_a_problem_that_says_how_to_give_one():
    response = Client().get("/api/v1/stores")

    assert "Authorization: Bearer" in problem(response, 401)["detail"]
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_wrong_key_is_told_before_a_wrong_parameter():
    problem(Client().get("/api/v1/stores?limit=x&unknown=1"), 401)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_while_the_database_is_away_the_answer_is_503_with_the_time_to_wait(monkeypatch, error):
    def away(*_args):
        raise error("server closed the connection")

    caller = Caller("S1")
    monkeypatch.setattr(stores, "page_size", away)

    response = caller.get("stores")

    assert "server closed" not in problem(response, 503)["detail"]
    assert int(response["Retry-After"]) > 0


def test_more_parameters_than_django_reads_are_a_problem(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5

    problem(Caller("S1").get("stores?" + "&".join("limit=1" for _ in range(9))), 400)


def test_many_unknown_parameters_are_named_but_not_without_end():
    query = {f"p{number:03}": "1" for number in range(200)}

    assert len(fields(Caller("S1").get("stores", **query))) == 50


# Stores


def test_the_stores_are_those_of_the_key_by_their_codes():
    for code in ("S3", "S1", "S2"):
        store(code, name=f"店 {code}", country="CN")

    body = Caller("S1", "S3").read("stores")

    assert [each["code"] for each in body["items"]] == ["S1", "S3"]
    assert body["items"][0] == {
        "code": "S1",
        "name": "店 S1",
        "brand": "",
        "region": "",
        "country": "CN",
        "time_zone": "Asia/Shanghai",
        "day_ends_at": "00:00:00",
        "confirmed": False,
    }


def test_stores_are_paged_by_code_while_others_are_added():
    for number in range(5):
        store(f"S{number}")
    caller = Caller()

    first = caller.get("stores", limit=2)
    store("S1a")
    second = caller.read("stores", limit=2, cursor=first.json()["next"])
    last = caller.read("stores", limit=2, cursor=second["next"])

    assert 'rel="next"' in first["Link"]
    codes = [each["code"] for body in (first.json(), second, last) for each in body["items"]]
    assert codes == ["S0", "S1", "S1a", "S2", "S3", "S4"]
    assert last["next"] is None


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": -1}, {"cursor": "x"}, {"cursor": "ZXZlbnRzOjE"}]
)
def test_a_wrong_page_of_stores_is_a_problem(query):
    (name,) = query

    assert fields(Caller("S1").get("stores", **query)) == [f"query.{name}"]


def test_the_size_of_a_page_is_the_setting():
    assert fields(Caller("S1").get("stores", limit=conf().api_page_size + 1)) == ["query.limit"]


def test_a_fault_of_ours_is_a_problem_and_is_logged_and_reported(monkeypatch, caplog):
    def fails(*_, **__):
        raise ArithmeticError("1 / 0")

    monkeypatch.setattr(stores, "page_size", fails)
    caller = Caller("S1")
    caller.client.raise_request_exception = False
    reported = []
    got_request_exception.connect(reported_by := lambda **facts: reported.append(facts))

    found = problem(caller.get("stores"), 500)

    got_request_exception.disconnect(reported_by)
    assert "1 / 0" not in str(found)
    assert "1 / 0" in caplog.text
    assert len(reported) == 1
