"""GET /forecasts and GET /search."""

import datetime as dt

import pytest

from neural.forecasting.models import Forecast
from neural.retrieval import neural_api
from neural.retrieval.query.hits import Found, Hit, Why
from neural.retrieval.stores.base import StoreUnavailable, TableMissing
from tests.unit.api.api_reading_world import Caller, event, fields, problem, store

pytestmark = pytest.mark.django_db

MADE = dt.date(2026, 3, 1)


def forecast(dish="D7", *, at="S1", made_on=MADE, middle=10.0, closed=()):
    def of(factor):
        return [None if place in closed else middle * factor for place in range(14)]

    return Forecast.objects.create(
        store=store(at),
        dish=dish,
        name=f"dish {dish}"[:200],
        made_on=made_on,
        method="blend",
        mean=of(1.0),
        p10=of(0.5),
        p50=of(1.0),
        p90=of(2.0),
    )


def read(caller=None, **query):
    query = {"store": "S1", "from": "2026-03-02", "to": "2026-03-03", **query}
    return (caller or Caller("S1")).read("forecasts", **query)


def test_a_forecast_has_quantiles_for_each_dish_and_day():
    forecast("D7")
    forecast("D8", middle=4.0, closed=(1,))

    body = read()

    first, second = body["items"]
    assert (body["store"], first["dish"], first["name"]) == ("S1", "D7", "dish D7")
    day = first["days"][0]
    assert (day["day"], day["made_on"], day["method"]) == ("2026-03-02", "2026-03-01", "blend")
    assert (day["p10"], day["p50"], day["p90"], day["mean"]) == (5.0, 10.0, 20.0, 10.0)
    assert (day["closed"], day["version"]) == (False, None)
    assert [(each["closed"], each["p50"]) for each in second["days"]] == [
        (False, 4.0),
        (True, None),
    ]


def test_each_day_has_the_newest_forecast_that_was_made_before_it():
    forecast(middle=1.0, made_on=dt.date(2026, 2, 28))
    forecast(middle=2.0, made_on=dt.date(2026, 3, 1))
    forecast(middle=3.0, made_on=dt.date(2026, 3, 2))

    (dish,) = read(**{"from": "2026-03-01", "to": "2026-03-04"})["items"]

    assert [(each["day"], each["p50"]) for each in dish["days"]] == [
        ("2026-03-01", 1.0),
        ("2026-03-02", 2.0),
        ("2026-03-03", 3.0),
        ("2026-03-04", 3.0),
    ]


def test_days_beyond_the_forecast_are_left_out():
    forecast()

    (dish,) = read(**{"from": "2026-03-14", "to": "2026-03-20"})["items"]

    assert [each["day"] for each in dish["days"]] == ["2026-03-14", "2026-03-15"]
    assert read(**{"from": "2026-03-16", "to": "2026-03-20"})["items"] == []


def test_without_days_the_next_fourteen_from_the_stores_today_are_shown(monkeypatch):
    from neural.models import Store

    monkeypatch.setattr(Store, "business_day", lambda self, moment: MADE + dt.timedelta(days=1))
    forecast()

    (dish,) = Caller("S1").read("forecasts", store="S1")["items"]

    assert [dish["days"][0]["day"], dish["days"][-1]["day"]] == ["2026-03-02", "2026-03-15"]


def test_one_dish_can_be_chosen():
    forecast("D7")
    forecast("D8")

    assert [each["dish"] for each in read(dish="D8")["items"]] == ["D8"]
    assert read(dish="D9")["items"] == []


def test_dishes_are_paged_by_their_codes():
    dishes = {"c", "a", "d", "b", "饭/%", "🍜" * 200, "菜" * 200}
    for dish in dishes:
        forecast(dish)
    caller = Caller("S1")
    found, cursor = [], {}
    while True:
        body = read(caller, limit=1, **cursor)
        found += [each["dish"] for each in body["items"]]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}

    assert len(found) == len(dishes)
    assert set(found) == dishes


def test_a_store_of_another_key_looks_exactly_like_none():
    forecast(at="S2")
    store("S1")
    caller = Caller("S1")

    none = problem(caller.get("forecasts", store="S9"), 404)

    assert problem(caller.get("forecasts", store="S2"), 404) == none


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-03-05", "to": "2026-03-01"}, "query.to"),
        ({"from": "2026-03-01", "to": "2026-05-01"}, "query.to"),
        ({"from": "0001-01-01"}, "query.from"),
        ({"to": "9999-12-31"}, "query.to"),
        ({"from": "today"}, "query.from"),
        ({"dish": "\x00"}, "query.dish"),
        ({"cursor": "Zm9yZWNhc3RzOgA"}, "query.cursor"),
        ({"first": "2026-03-01"}, "query.first"),
    ],
)
def test_a_parameter_that_is_wrong_or_unknown_is_a_problem_that_names_it(query, field):
    store("S1")

    assert fields(Caller("S1").get("forecasts", store="S1", **query)) == [field]


@pytest.mark.parametrize(
    "query",
    [{"from": "1970-01-01"}, {"to": "1970-01-01"}, {"from": "2200-12-31"}, {"to": "2200-12-31"}],
)
def test_the_first_and_the_last_day_that_can_be_asked_for_are_answered(query):
    store("S1")

    assert Caller("S1").read("forecasts", store="S1", **query)["items"] == []


def test_a_store_must_be_named():
    assert fields(Caller("S1").get("forecasts")) == ["query.store"]


def test_forecasts_need_their_scope():
    problem(Caller("S1", scopes=["events:read"]).get("forecasts", store="S1"), 403)


# Search


class Asked:
    """Stands for the search: remembers what it was asked, and answers."""

    def __init__(self):
        self.calls = []
        self.fails = None
        hit = Hit(
            collection="dishes",
            id="D7",
            store="S1",
            kind="川菜",
            at=dt.datetime(2026, 3, 1, 20, tzinfo=dt.timezone(dt.timedelta(hours=8))),
            title="麻婆豆腐",
            names=("麻婆豆腐",),
            text="辣",
            score=1.23456,
            why=Why(kind="names", names=("麻婆豆腐",), parts=("麻婆",), scores={"names": 1.0}),
        )
        self.found = Found([hit], notices=("meaning is left out",))

    def __call__(self, text, collection, **options):
        self.calls.append((text, collection, options))
        if self.fails:
            raise self.fails
        return self.found


@pytest.fixture
def asked(monkeypatch):
    asked = Asked()
    monkeypatch.setattr(neural_api, "search", asked)
    return asked


def test_a_search_answers_hits_and_why_each_was_found(asked):
    body = Caller("S1").read("search", q="豆腐", collection="dishes")

    (found,) = body["collections"]
    (hit,) = found["hits"]
    assert (found["collection"], hit["key"], hit["title"]) == ("dishes", "S1/D7", "麻婆豆腐")
    assert (hit["at"], hit["score"]) == ("2026-03-01T12:00:00Z", 1.2346)
    assert hit["why"] == {
        "kind": "names",
        "names": ["麻婆豆腐"],
        "parts": ["麻婆"],
        "scores": {"names": 1.0},
    }
    assert body["notices"] == ["meaning is left out"]


def test_without_a_collection_all_are_searched_and_a_notice_is_said_once(asked):
    body = Caller("S1").read("search", q="豆腐")

    names = [each["collection"] for each in body["collections"]]
    assert {"dishes", "events", "orders", "staff"} <= set(names)
    assert body["notices"] == ["meaning is left out"]


@pytest.mark.parametrize(
    ("key", "query", "stores"),
    [
        (("S1", "S2"), {}, {"S1", "S2"}),
        (("S1", "S2"), {"store": "S1"}, {"S1"}),
        (("S1", "S2"), {"store": ["S1", "S3"]}, {"S1"}),
        (("S1",), {"store": "S3"}, set()),
        ((), {"store": ["S3"]}, {"S3"}),
    ],
)
def test_a_search_sees_the_stores_of_the_key_alone(asked, key, query, stores):
    Caller(*key).read("search", q="豆腐", collection="dishes", **query)

    (call,) = asked.calls
    assert set(call[2]["stores"]) == stores


def test_a_key_of_every_store_searches_everything(asked):
    Caller().read("search", q="豆腐", collection="dishes", limit=3, kind="川菜")

    (call,) = asked.calls
    assert call[2]["stores"] is None
    assert (call[2]["top_k"], call[2]["kind"]) == (3, "川菜")


@pytest.mark.parametrize("error", [StoreUnavailable("s3://secret is away"), TableMissing("gone")])
def test_while_the_index_is_away_the_answer_is_503(asked, error):
    asked.fails = error

    response = Caller("S1").get("search", q="豆腐", collection="dishes")

    assert "secret" not in problem(response, 503)["detail"]
    assert int(response["Retry-After"]) > 0


def test_a_search_without_an_index_says_how_to_make_one():
    event()

    body = Caller("S1").read("search", q="豆腐", collection="events")

    assert body["collections"] == [{"collection": "events", "hits": []}]
    assert "rebuild_index events" in body["notices"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "query.q"),
        ({"q": ""}, "query.q"),
        ({"q": "x" * 401}, "query.q"),
        ({"q": "\x00"}, "query.q"),
        ({"q": "a", "collection": "secrets"}, "query.collection"),
        ({"q": "a", "limit": 101}, "query.limit"),
        ({"q": "a", "kind": "\x00"}, "query.kind"),
        ({"q": "a", "top_k": 3}, "query.top_k"),
    ],
)
def test_a_search_that_is_wrong_is_a_problem_that_names_it(query, field):
    assert fields(Caller("S1").get("search", **query)) == [field]


def test_a_search_needs_its_scope():
    problem(Caller("S1", scopes=["events:read"]).get("search", q="a"), 403)
