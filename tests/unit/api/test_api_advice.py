"""What answers say of events beyond the verdict: fields that nobody knows, a store that nobody
confirmed, and by `?dry_run=true` what would happen."""

import datetime as dt
import json

import pytest
from django.apps import apps

from neural.api import keys
from neural.api.models import ApiKey, Scope
from neural.events.recording import UNCONFIRMED
from neural.models import NeuralEvent, RefusedEvent, Store
from tests.unit.restaurant.history import NOON
from tests.unit.restaurant.till_story import Till

pytestmark = pytest.mark.django_db

URL = "/api/v1/events"
NDJSON = "application/x-ndjson"
STATED = {
    "type": "order.stated",
    "store": "S1",
    "source": "till",
    "event_id": "1",
    "occurred_at": "2026-03-01T04:00:00Z",
    "payload": {"order_id": "17", "lines": [{"name": "noodles", "quantity": 1, "price": "9"}]},
}
MISSPELT = {
    **STATED,
    "payload": {
        "order_id": "17",
        "totl": "9.00",
        "weather": "rain",
        "lines": [{"name": "noodles", "quantity": 1, "price": "9", "qantity": 2}],
    },
}
UNKNOWN = {
    "payload.totl": "is not a field of the schema; did you mean total?",
    "payload.weather": "is not a field of the schema",
    "payload.lines.0.qantity": "is not a field of the schema; did you mean quantity?",
}


@pytest.fixture
def store():
    return Store.objects.create(code="S1", confirmed=True)


@pytest.fixture
def post(client, fake_broker):
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)

    def send(event, query=""):
        headers = {"X-Api-Key": key}
        return client.post(URL + query, event, content_type="application/json", headers=headers)

    def send_batch(*events, query=""):
        body = b"\n".join(json.dumps(each).encode() for each in events)
        headers = {"X-Api-Key": key}
        return client.post(f"{URL}/batch{query}", body, content_type=NDJSON, headers=headers)

    send.batch = send_batch
    return send


def reasons(found):
    return {each["field"]: each["reason"] for each in found}


def lines(response):
    return list(map(json.loads, response.getvalue().splitlines()))


def rows():
    """How many rows there are of everything but keys, whose use is noted."""
    return {
        model._meta.label: model.objects.count()
        for model in apps.get_models()
        if model is not ApiKey and model._meta.managed
    }


def test_fields_that_the_schema_does_not_know_are_named_also_within_lines(post, store):
    response = post(MISSPELT)

    assert response.status_code == 202
    assert reasons(response.json()["warnings"]) == UNKNOWN
    assert NeuralEvent.objects.get().payload == MISSPELT["payload"]


def test_a_duplicate_is_told_the_same(post, store):
    post(MISSPELT)

    again = post(MISSPELT)
    assert again.status_code == 200
    assert reasons(again.json()["warnings"]) == UNKNOWN


def test_an_event_of_known_fields_in_a_confirmed_store_has_no_warning(post, store):
    assert post(STATED).json()["warnings"] == []


NOODLES = {"dish": "D7", "name": "noodles", "allergens": ["wheat"]}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("sales.reported", {"day": "2026-03-01", "lines": [], "weather": "rain"}),
        ("dish.updated", NOODLES),
        ("menu.updated", {"items": [NOODLES]}),
    ],
)
def test_fields_that_a_schema_takes_for_context_or_details_are_no_mistake(
    post, store, kind, payload
):
    report = {**STATED, "type": kind, "payload": payload}

    assert post(report, "?strict=true").json()["warnings"] == []


def test_a_part_of_a_menu_is_superseded_once_each_of_its_dishes_is(post, store):
    items = [{"dish": "1", "name": "noodles"}, {"dish": "2", "name": "rice"}]
    menu = {**STATED, "type": "menu.updated", "payload": {"items": items}}
    verdicts = []
    for dish in items:
        verdicts.append(post(menu, "?dry_run=true").json()["verdict"])
        Till(store).tell("dish.updated", NOON.replace(year=2027), **dish)
    verdicts.append(post(menu, "?dry_run=true").json()["verdict"])

    assert verdicts == ["new", "new", "superseded"]


def test_under_strict_unknown_fields_are_refused_and_kept_as_refused(post, store):
    response = post(MISSPELT, "?strict=true")

    assert response.status_code == 422
    assert reasons(response.json()["errors"]) == UNKNOWN
    assert RefusedEvent.objects.get().problems[0]["field"] == "payload.totl"
    assert not NeuralEvent.objects.exists()
    assert post(STATED, "?strict=true").status_code == 202


LINE = {"name": "noodles", "qantity": 1, "price": "9"}


@pytest.mark.parametrize(
    ("query", "also"),
    [
        ("?strict=true", {"payload.totl": "is not a field of the schema; did you mean total?"}),
        ("", {}),
    ],
)
def test_beside_a_field_that_is_missing_the_misspelt_one_is_named(post, store, query, also):
    """Other unknown fields are no reason to refuse, unless the caller is strict."""
    payload = {"order_id": "17", "totl": "9.00", "lines": [LINE]}

    response = post({**STATED, "payload": payload}, query)

    assert response.status_code == 422
    assert reasons(response.json()["errors"]) == {
        "payload.lines.0.quantity": "Field required",
        "payload.lines.0.qantity": "is not a field of the schema; did you mean quantity?",
        **also,
    }


def test_very_many_unknown_fields_are_not_all_named(post, store):
    payload = {**STATED["payload"], **{f"own_{number}": 1 for number in range(100)}}

    assert len(post({**STATED, "payload": payload}).json()["warnings"]) == 20
    del payload["order_id"]
    assert len(post({**STATED, "payload": payload}).json()["errors"]) == 1 + 20


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_store_that_nobody_confirmed_is_said(post, is_known, query):
    if is_known:
        Store.objects.create(code="S1")

    for _ in range(2):  # the second is a duplicate, unless it is a dry run
        warnings = post(STATED, query).json()["warnings"]
        assert reasons(warnings) == {"store": UNCONFIRMED.reason}


def test_a_batch_says_the_same_of_each_event(post, store):
    other = {**STATED, "event_id": "2", "store": "S2"}
    first, second, third, last = lines(post.batch(STATED, MISSPELT, other))

    assert "warnings" not in first
    assert second["status"] == 409
    assert reasons(third["warnings"]) == {"store": UNCONFIRMED.reason}
    assert last == {"summary": {"new": 2, "duplicate": 0, "refused": 1}}
    refused, _ = lines(post.batch(MISSPELT, query="?strict=true"))
    assert refused["status"] == 422
    assert reasons(refused["errors"]) == UNKNOWN


# Dry runs


def test_a_dry_run_answers_what_would_happen_and_writes_nothing(post):
    before = rows()
    response = post(MISSPELT, "?dry_run=true")

    assert response.status_code == 200
    assert response.json() == {
        "dry_run": True,
        "verdict": "new",
        "type": "order.stated",
        "store": "S1",
        "source": "till",
        "event_id": "1",
        "handlers": [
            {
                "handler": "neural.record_order",
                "queue": "high_priority",
                "priority": 10,
                "superseded": False,
            }
        ],
        "warnings": [
            *({"field": field, "reason": reason} for field, reason in UNKNOWN.items()),
            {"field": "store", "reason": UNCONFIRMED.reason},
        ],
    }
    assert rows() == before


@pytest.mark.parametrize(
    ("event", "query", "status", "field"),
    [
        ({**STATED, "payload": {}}, "", 422, "payload.order_id"),
        (MISSPELT, "&strict=true", 422, "payload.totl"),
        ({**STATED, "type": "order.stted"}, "", 422, "type"),
    ],
)
def test_a_dry_run_refuses_as_the_real_one_would_and_keeps_no_refused_event(
    post, event, query, status, field
):
    before = rows()
    response = post(event, f"?dry_run=true{query}")

    assert response.status_code == status
    assert field in reasons(response.json()["errors"])
    assert rows() == before


def test_a_dry_run_tells_a_duplicate_and_a_conflict_with_the_recorded_event(post, store):
    recorded = post(STATED).json()
    before = rows()
    duplicate = post(STATED, "?dry_run=true")
    conflict = post(MISSPELT, "?dry_run=true")

    assert duplicate.status_code == 200
    assert duplicate.json()["verdict"] == "duplicate"
    assert duplicate.json()["id"] == recorded["id"]
    assert conflict.status_code == 409
    assert conflict.json()["id"] == recorded["id"]
    assert rows() == before


def test_a_dry_run_of_a_batch_sums_up_what_would_happen(post, store):
    Till(store).order("17", "9")
    before = rows()
    late = {**STATED, "event_id": "late", "occurred_at": "2026-01-01T00:00:00Z"}
    repeated = {**STATED, "event_id": "new", "payload": {**STATED["payload"], "order_id": "18"}}
    *each, last = lines(
        post.batch(late, repeated, repeated, {**STATED, "type": "?"}, query="?dry_run=true")
    )

    assert [line["verdict"] for line in each] == ["superseded", "new", "duplicate", "refused"]
    assert [line["status"] for line in each] == [200, 200, 200, 422]
    assert each[0]["handlers"][0]["superseded"]
    assert last == {"summary": {"new": 1, "duplicate": 1, "refused": 1, "superseded": 1}}
    assert rows() == before


AMOUNT = {"order_id": "17", "amount": "9"}
SUPERSEDED = {
    "order.created": STATED["payload"],
    "order.updated": STATED["payload"],
    "order.stated": STATED["payload"],
    "order.cancelled": {"order_id": "17"},
    "order.status_changed": {"order_id": "17", "status": "closed"},
    "payment.completed": {**AMOUNT, "payment_id": "P1"},
    "payment.stated": {**AMOUNT, "payment_id": "P1"},
    "payment.refunded": {**AMOUNT, "payment_id": "P1", "refund_id": "R1"},
    "refund.stated": {**AMOUNT, "refund_id": "R1"},
    "settlement.stated": {"order_id": "17", "payout": "9"},
    "delivery.updated": {"order_id": "17", "status": "picked_up"},
    "sales.reported": {"day": "2026-03-01", "lines": []},
    "staff.scheduled": {
        "shift_id": "1",
        "staff_id": "2",
        "starts_at": "2026-03-01T09:00:00+08:00",
        "ends_at": "2026-03-01T17:00:00+08:00",
    },
    "inventory.updated": {"item": "flour", "level": 3},
    "dish.updated": {"dish": "1", "name": "noodles"},
    "order.merged": {"into": "16", "orders": ["17", "18", "17", "16"]},
    "menu.updated": {"items": [{"dish": "1", "name": "noodles"}], "complete": True},
    "staff.clocked_in": {"timecard_id": "1", "staff_id": "2"},
    "staff.clocked_out": {"timecard_id": "1", "staff_id": "2"},
    "day.closed": {"business_day": "2026-03-01", "till": "T1"},
}


@pytest.mark.parametrize("kind", SUPERSEDED)
def test_a_dry_run_says_that_a_newer_statement_is_known(post, store, kind):
    """Not that an older one is, nor one of another store."""
    payload = SUPERSEDED[kind]
    now = {**STATED, "type": kind, "occurred_at": NOON.isoformat(), "payload": payload}

    def verdict():
        return post(now, "?dry_run=true").json()["verdict"]

    Till(Store.objects.create(code="S2")).tell(kind, NOON.replace(year=2027), **payload)
    Till(store).tell(kind, NOON.replace(year=2025), **payload)
    assert verdict() == "new"
    Till(store).tell(kind, NOON.replace(minute=30), **payload)
    assert verdict() == "superseded"


@pytest.mark.parametrize("query", ["", "?dry_run=true", "?strict=true"])
@pytest.mark.parametrize(("days", "told"), [(366, 1), (364, 0)])
def test_a_time_more_than_a_year_ago_is_a_warning(post, store, query, days, told):
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days)).isoformat()
    expected = {"occurred_at": "is more than a year ago; is the till's clock right?"}

    found = post({**STATED, "occurred_at": at}, query).json()

    assert reasons(found["warnings"]) == (expected if told else {})


def test_history_may_be_older_than_a_year(post, store):
    old = {**STATED, "occurred_at": "2019-03-02T12:00:00Z"}

    assert post({**old, "backfill": True}).json()["warnings"] == []


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_digits_that_a_currency_lacks_are_refused(post, store, query):
    total = {**STATED["payload"], "currency": "JPY", "total": "1079.5"}

    response = post({**STATED, "payload": total}, query)

    assert response.status_code == 422
    assert reasons(response.json()["errors"]) == {
        "payload.total": "has more than the 0 decimals of JPY"
    }
