"""Of events of one time, the id decides, and digits in it count as numbers: 8 is before 12."""

import importlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from hypothesis import given
from hypothesis import strategies as st

import neural
from neural.events.models import event_id_of, sort_key
from neural.kit import online
from neural.models import NeuralEvent, Store
from neural.restaurant.models import (
    Availability,
    DayClose,
    Dish,
    Menu,
    OpeningState,
    Order,
    Payment,
    SalesReport,
    Shift,
    StockLevel,
    TimeCard,
    newest,
)
from neural.restaurant.models.claims import claim, with_claims
from neural.restaurant.models.newest import event_of, moment_of, version_of
from tests.unit.restaurant.history import NOON, at, handle, line, record, rows, sold, undone
from tests.unit.side_by_side import on_postgresql, while_uncommitted

NAME = "0006_numbers_in_versions"
migration = importlib.import_module(f"neural.restaurant.migrations.{NAME}")

IDS = st.text(st.sampled_from("0189:~a茶\n\x01"), max_size=8)
NUMBERS = ["8", "9", "10", "11", "12"]

# Ids


@given(IDS)
def test_a_sort_key_is_of_one_id_alone(event_id):
    assert event_id_of(sort_key(event_id)) == event_id


@given(st.integers(0, 10**9), st.integers(0, 10**9), IDS)
def test_ids_that_differ_in_a_number_alone_have_its_order(one, other, beside):
    one_id, other_id = (f"{beside}:{each}:{beside}" for each in (one, other))
    assert (sort_key(one_id) < sort_key(other_id)) == (one < other)


def test_a_prefix_comes_first_and_zeros_decide_where_nothing_else_does():
    ordered = ["A-9:12", "A-17:8", "A-17:08", "A-17:8~edit-01", "A-17:08~edit-01", "A-17:9"]
    ordered += ["A-17:10", "A-17:012", "A-17:100", "A-17:100:a"]

    assert sorted({*ordered}, key=sort_key) == ordered


# Rows


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


def stated(number: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Of each row, an event that says the number of its id."""
    till = {"till": "T1", "order_id": "A"}
    shift = {"starts_at": str(at(0)), "ends_at": str(at(60)), "shift_id": "W1"}
    card = {"timecard_id": "T1", "staff_id": number}
    return {
        "order": ("order.stated", {**till, "lines": [line("tea", 1, number)], "table": number}),
        "status": ("order.status_changed", {**till, "status": "open", "reason": number}),
        "payout": ("settlement.stated", {**till, "payout": number}),
        "payment": ("payment.stated", {**till, "payment_id": "P", "amount": number}),
        "dish": ("dish.updated", {"dish": "tea", "name": number}),
        "menu": ("menu.updated", {"complete": True, "items": [{"dish": number, "name": "x"}]}),
        "stock": ("inventory.updated", {"item": "eggs", "level": number, "threshold": number}),
        "shift": ("staff.scheduled", {**shift, "staff_id": number}),
        "card": ("staff.clocked_in", card),
        "sales": ("sales.reported", {"day": "2026-03-02", "lines": [sold("tea", number)]}),
        "close": ("day.closed", {"business_day": "2026-03-02", "orders": int(number)}),
        "opening": ("store.busy", {"reason": number}),
    }


def told(store: Store, numbers: list[str]) -> list[NeuralEvent]:
    """The events of each number, all of one time."""
    return [
        record(store, *kind_and_payload[:1], NOON, f"{name}-17:{number}", kind_and_payload[1])
        for number in numbers
        for name, kind_and_payload in stated(number).items()
    ]


def newest_numbers(store: Store) -> set[str]:
    """The numbers that the rows have."""
    order, stock = Order.objects.get(), StockLevel.objects.get()
    assert stock.level == stock.threshold
    opening = OpeningState.objects.newest(store=store)
    assert opening is not None
    return {
        *(order.table, f"{order.total:.0f}", f"{order.payout:.0f}"),
        f"{Payment.objects.get().amount:.0f}",
        *(Dish.objects.get(code="tea").name, f"{stock.level:.0f}"),
        *(Shift.objects.get().staff_code, TimeCard.objects.get().staff_code),
        SalesReport.objects.get().lines[0]["quantity"],
        str(DayClose.objects.get().orders),
        opening.reason,
        event_of(bytes(order.status_version))[0].removeprefix("status-17:"),
        event_of(bytes(Menu.objects.get().version))[0].removeprefix("menu-17:"),
    }


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize("numbers", [["8", "12"], ["9", "10", "8"], NUMBERS])
def test_of_events_of_one_second_the_one_with_the_greatest_number_wins(store, numbers):
    events = told(store, numbers)
    (greatest,) = sorted(numbers, key=int)[-1:]
    arrivals = [events, events[::-1], *itertools.islice(itertools.permutations(events), 1, 3)]
    for arrival in arrivals:
        with undone():
            for event in arrival:
                handle(event)
            assert newest_numbers(store) == {greatest}
            ends = rows()
        with undone():
            handle(*arrival)  # in one batch
            assert rows() == ends


@pytest.mark.django_db
def test_a_claim_is_that_of_the_greatest_number():
    def at_noon(event_id: str) -> Any:
        event = NeuralEvent(occurred_at=NOON, event_id=event_id, source="till")
        return claim("source", "till", version_of(event))

    for each in itertools.permutations(map(at_noon, ["A:8", "A:12", "A:9"])):
        assert [kept["event_id"] for kept in with_claims([], each)] == ["A:12"]


@pytest.mark.django_db
@pytest.mark.usefixtures("fake_broker")
def test_ids_that_differ_in_a_zero_are_of_two_events(store):
    answers = [
        neural.submit(
            type="dish.updated",
            store="S1",
            source="till",
            event_id=event_id,
            payload={"dish": "tea", "name": "tea"},
            occurred_at=NOON,
        )
        for event_id in ("8", "08", "8")
    ]

    assert [answer.is_new for answer in answers] == [True, True, False]


# What release 0.1.0 has written, and its workers beside those of today


@contextmanager
def release() -> Iterator[None]:
    """As workers of release 0.1.0 write and read versions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            newest,
            "_joined",
            lambda moment, event_id, source: moment + f"{event_id}\0{source}".encode(),
        )
        patch.setattr(newest, "keyed", bytes)
        yield


VERSIONS = [
    (apps.get_model("neural_restaurant", name), column)
    for name, columns in migration.TABLES.items()
    for column in columns
]


def stored(model: Any, column: str) -> list[bytes]:
    """The column as it is in the database."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{model._meta.db_table}" ORDER BY id')
        return [bytes(version) for (version,) in cursor.fetchall()]


def everything() -> list[bytes]:
    return [each for place in VERSIONS for each in stored(*place)]


def migrate() -> None:
    migration.key_anew(_models(), SimpleNamespace(connection=connection))


@cache
def _models() -> Any:
    """The models as migrations know them, which read what is stored."""
    return MigrationLoader(None).project_state(("neural_restaurant", NAME)).apps


def test_every_column_of_versions_is_written_anew():
    columns = {
        (model, field.attname)
        for model in apps.get_app_config("neural_restaurant").get_models()
        for field in model._meta.concrete_fields
        if field.attname.endswith("version")
    }
    assert columns == {*VERSIONS}


def told_by_all(store: Store, number: str) -> list[NeuralEvent]:
    """Also of the rows in which each event has a row, and of the rest of an order's aspects."""
    day = {"till": "T1", "order_id": "A"}
    more = {
        "sold-out": ("item.sold_out", {"dish": "tea"}),
        "cancelled": ("order.status_changed", {**day, "status": "cancelled"}),
        "delivery": ("delivery.updated", {**day, "status": "assigned"}),
        "out": ("staff.clocked_out", {"timecard_id": "T1", "staff_id": number, "name": "Li"}),
        "placed": (
            "order.stated",
            {**day, "lines": [], "placed_at": str(at(0)), "business_day": "2026-03-02"},
        ),
    }
    beside = [
        record(store, *each[:1], NOON, f"{name}-17:{number}", each[1])
        for name, each in more.items()
    ]
    return [*told(store, [number]), *beside]


@pytest.mark.django_db
@pytest.mark.sqlite
def test_what_the_release_has_written_is_as_if_it_were_written_today(store):
    events = told_by_all(store, "08")
    with undone():
        handle(*events)
        today, texts = everything(), rows()
    assert all(len(version) > 9 for version in today)
    with release():
        handle(*events)
    assert not {*today} & {*everything()}
    # It is read so before it is written anew; the person of a time card is none of these columns.
    texts_now = rows()
    assert {**texts_now, "TimeCard": None} == {**texts, "TimeCard": None}

    migrate()

    assert everything() == today
    migrate()
    assert (everything(), rows()) == (today, texts)


@pytest.mark.django_db
@pytest.mark.parametrize("written_anew", [True, False])
def test_a_greater_number_is_newer_than_what_the_release_has_written(store, written_anew):
    events = told(store, ["9", "10"])
    half = len(events) // 2
    with release():
        handle(*events[:half])
    if written_anew:
        migrate()

    handle(*events[half:])

    assert newest_numbers(store) == {"10"}


@pytest.mark.django_db
def test_a_lesser_number_does_not_overwrite_what_was_written_anew(store):
    events = told(store, ["9", "10"])
    half = len(events) // 2
    with release():
        handle(*events[half:])
    migrate()

    handle(*events[:half])

    assert newest_numbers(store) == {"10"}


@pytest.mark.django_db
def test_a_worker_of_the_release_goes_on_beside(store):
    """It finds time and source in today's versions, a later time wins whoever takes it, and of one
    time it overwrites nothing that was written today."""
    first, second, later = (told(store, [number]) for number in ("9", "10", "11"))
    NeuralEvent.objects.filter(pk__in=[each.pk for each in later]).update(occurred_at=at(1))
    later = list(NeuralEvent.objects.filter(pk__in=[each.pk for each in later]))
    handle(*first)
    with release():
        version = stored(Order, "content_version")[0]
        assert moment_of(version) == NOON
        assert version[8:].partition(b"\0")[2] == b"till"
        handle(*second)
        assert Order.objects.get().table == "9"
        assert not Order.objects.get().given_twice
        handle(*later)
    assert Order.objects.get().table == "11"
    handle(*first, *second)
    assert newest_numbers(store) - {"8"} == {"11"}


@pytest.mark.django_db
def test_an_event_that_has_a_row_of_its_own_has_one_again(store):
    """Handled again before its row was written anew, it had two for a moment."""
    events = told_by_all(store, "8")
    with release():
        handle(*events)
    handle(*events)
    assert Availability.objects.count() == OpeningState.objects.count() == 2

    migrate()

    assert Availability.objects.count() == OpeningState.objects.count() == 1
    assert len({*everything()}) == len({*everything()} - {*[b""]})


@pytest.mark.django_db
def test_one_that_was_stopped_goes_on(store, monkeypatch):
    with release():
        for number in range(5):
            handle(*told(store, [str(number)]))
    expected = [newest.keyed(version) for version in stored(OpeningState, "version")]
    monkeypatch.setattr(online, "SLICE", 2)
    calls = iter(range(100))

    def stopped(*args: Any) -> Any:
        if next(calls) == 6:
            raise KeyboardInterrupt
        return update(*args)

    update = migration._update
    monkeypatch.setattr(migration, "_update", stopped)
    with pytest.raises(KeyboardInterrupt):
        migrate()
    migrate()

    assert stored(OpeningState, "version") == expected


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_it_waits_for_rows_that_workers_hold_and_keeps_what_they_write(store):
    old, new = told(store, ["9"]), told(store, ["10"])
    with release():
        handle(*old)

    while_uncommitted(lambda: handle(*new), migrate)

    assert newest_numbers(store) == {"10"}
    assert all(newest.keyed(each) == each for each in everything())


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_the_migrations_are_made_again_once_the_release_has_ended(store):
    """As docs/how-to/keeping.md says: for what its workers wrote after the first time."""
    with release():
        handle(*told(store, ["12"]))

    call_command("migrate", "neural_restaurant", "0005", fake=True, verbosity=0)
    call_command("migrate", "neural_restaurant", verbosity=0)
    handle(*told(store, ["8"]))

    assert newest_numbers(store) == {"12"}
    assert all(newest.keyed(each) == each for each in everything())
