"""A page of a list looks at a bounded number of rows, whoever asks and whatever is chosen.

And it shows what a plain query would: no row twice, none left out, whichever way one pages.
"""

import datetime as dt
import random
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.kit.keyset import bounded
from neural.models import NeuralEvent, RunState, Store, TaskRun
from neural.restaurant.models import DemandSummary, Order, SalesReport, StockLevel
from neural.retrieval.models import OutboxEntry
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning
from tests.unit.pages.plans import read

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROWS = 45
STORES = ("S1", "S2", "S3", "S4")
on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite keeps no such statistics"
)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 20)
    for model_admin in admin.site._registry.values():
        monkeypatch.setattr(model_admin, "list_per_page", 7)


def runs(count: int, **fields: Any) -> list[TaskRun]:
    """Of stores, handlers, queues and states at random, the same each time, unless said."""
    chance = random.Random(7)
    now, already = timezone.now(), TaskRun.objects.count()
    made = []
    for number in range(count):
        state = chance.choice([RunState.SUCCEEDED] * 8 + [RunState.DEAD, RunState.PENDING])
        values = {
            "task_id": f"t{already}-{number}",
            "task": "app.count",
            "handler": chance.choice(["a", "a", "a", "b"]),
            "queue": chance.choice(["default", "default", "high_priority"]),
            "store_id": chance.choice(["S1", "S1", "S1", "S1", "S2", "S3", None]),
            "state": state,
            "started_at": now,
            "finished_at": now,
        }
        made.append(TaskRun(**values | fields))
    return TaskRun.objects.bulk_create(made)


@pytest.fixture
def stores() -> list[Store]:
    return [world.store(code) for code in STORES]


def paged(client: Any, address: str) -> tuple[list[int], list[int]]:
    """The keys of all pages, going older from the newest, and then back again."""
    older, newer = [], []
    page = client.get(address).context["cl"]
    for _ in range(60):
        older += [row.pk for row in page.result_list]
        if page.older_url is None:
            break
        page = client.get(address.partition("?")[0] + page.older_url).context["cl"]
    for _ in range(60):
        newer = [row.pk for row in page.result_list] + newer
        if page.newer_url is None:
            break
        page = client.get(address.partition("?")[0] + page.newer_url).context["cl"]
    return older, list(dict.fromkeys(newer))  # beyond the newest page one is shown that again


FILTERS = [
    {},
    {"state": "dead"},
    {"state": "pending"},
    {"state": "succeeded", "queue": "high_priority"},
    {"work": "b"},
    {"work": "b", "queue": "high_priority"},
    {"store": "S2"},
    {"store": "S1", "work": "b"},
    {"store": "S4"},
    {"store": "S3", "state": "dead", "work": "a"},
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("own", [(), ("S2",), ("S1", "S3")], ids=str)
def test_pages_have_every_row_once_in_order_and_back_again(
    filters: dict[str, str], own: tuple[str, ...], stores: list[Store], django_user_model: Any
) -> None:
    runs(ROWS)
    client = world.client_of(stores=[each for each in stores if each.pk in own])
    query = "&".join(f"{name}={value}" for name, value in filters.items())

    older, newer = paged(client, f"{world.list_of('taskrun')}?{query}")

    user = django_user_model.objects.get(username="lee")
    meant = {"handler" if name == "work" else name: value for name, value in filters.items()}
    expected = TaskRun.objects.for_user(user).filter(**meant).order_by("-pk")
    assert older == newer == list(expected.values_list("pk", flat=True))


@pytest.mark.parametrize("own", [(), ("S2",), ("S1", "S2")], ids=str)
def test_a_table_without_an_index_of_store_and_key_is_paged_as_well(
    own: tuple[str, ...], stores: list[Store], django_user_model: Any
) -> None:
    chance = random.Random(3)
    for number in range(60):
        Order.objects.create(store_id=chance.choice(["S1", "S1", "S1", "S2"]), key=str(number))
    client = world.client_of("view_order", stores=[each for each in stores if each.pk in own])

    older, newer = paged(client, world.list_of("order"))

    user = django_user_model.objects.get(username="lee")
    expected = Order.objects.for_user(user).order_by("-pk")
    assert older == newer == list(expected.values_list("pk", flat=True))


@pytest.mark.parametrize("query", ["", "store=S1", "unusual=1", "period=week", "q=S2"])
@pytest.mark.parametrize("own", [(), ("S1", "S2")], ids=str)
def test_a_list_in_the_order_of_days_is_paged_as_well(
    own: tuple[str, ...], query: str, stores: list[Store], django_user_model: Any
) -> None:
    summaries(25)
    client = world.client_of(
        "view_demandsummary", stores=[each for each in stores if each.pk in own]
    )

    older, newer = paged(client, f"{world.list_of('demandsummary')}?{query}")

    filters: dict[str, Any] = {"period": "week" if "week" in query else "day"}
    filters |= {"store": query[-2:]} if "S" in query else {}
    filters |= {"unusual": True} if "unusual" in query else {}
    user = django_user_model.objects.get(username="lee")
    expected = DemandSummary.objects.for_user(user).filter(**filters)
    ordered = expected.order_by("-starts_on", "-unusual", "rank", "pk")
    assert older == newer == list(ordered.values_list("pk", flat=True))


def summaries(days: int, **fields: Any) -> None:
    """Three dishes a day of S1, one of S2 every tenth; some days are unusual."""
    chance = random.Random(5)
    DemandSummary.objects.bulk_create(
        DemandSummary(
            **{
                "store_id": code,
                "period": (period := chance.choice(["day", "day", "day", "week"])),
                "starts_on": dt.date(2026, 1, 1) + dt.timedelta(days=day),
                "dish": dish,
                "rank": 1,
                "days": 1,
                "days_compared": 0,
                "quantity": 1,
                "revenue": 1,
                "unusual": (odd := period == "day" and chance.random() < 0.1),
                "score": 5.0 if odd else None,
                "usual_quantity": 1 if odd else None,
            }
            | fields
        )
        for day in range(days)
        for code, dish in (("S1", "a"), ("S1", "b"), ("S1", "c"), ("S2", "a"))
        if code == "S1" or day % 10 == 0
    )


def test_a_page_that_stopped_looking_says_so_and_goes_on(stores: list[Store]) -> None:
    wanted = runs(1, queue="high_priority", handler="b")
    runs(100, queue="default", handler="a")
    address = f"{world.list_of('taskrun')}?queue=high_priority"
    client = world.superuser()

    first = client.get(address)

    assert "Only the next 20 rows were looked at" in first.content.decode()
    assert first.context["cl"].result_list == []
    assert paged(client, address)[0] == [wanted[0].pk]


def test_a_user_without_stores_has_empty_lists(stores: list[Store]) -> None:
    runs(10)
    client = world.client_of(stores=stores[:1])
    stores[0].operators.clear()

    assert client.get(world.list_of("taskrun")).context["cl"].result_list == []


def test_a_search_finds_what_no_page_would_have_looked_at(stores: list[Store]) -> None:
    (old,) = runs(1, task_id="wanted", store_id="S2")
    runs(100, store_id="S1")
    client = world.superuser()

    for term, filters in (("wanted", ""), ("S2", ""), ("wanted", "&queue=default&state=dead")):
        found = client.get(f"{world.list_of('taskrun')}?text={term}{filters}").context["cl"]
        expected = TaskRun.objects.filter(pk=old.pk)
        if filters:
            expected = expected.filter(queue="default", state="dead")
        assert found.result_list == list(expected)


def test_what_an_index_has_is_found_at_once_however_old_it_is() -> None:
    old = dt.date(2026, 1, 5)
    store, training = world.store("S1"), learning.training()
    wanted = {
        "order?store=S1&day=2026-01-05": Order.objects.create(
            store=store, key="old", business_day=old, placed_at=timezone.now()
        ),
        "salesreport?store=S1&day=2026-01-05": SalesReport.objects.create(
            store=store, day=old, lines=[]
        ),
        "stocklevel?low=1": StockLevel.objects.create(store=store, item="old", low=True),
        f"storeupdate?round={training.pk}": learning.update(training, store),
        "outboxentry?refused=1": OutboxEntry.objects.create(
            collection="orders", key="S1/old", error="no such field"
        ),
    }
    newer = learning.training(opened_at=timezone.now())
    for number in range(40):
        day = dt.date(2026, 3, 1) + dt.timedelta(days=number)
        Order.objects.create(
            store=store, key=str(number), business_day=day, placed_at=timezone.now()
        )
        SalesReport.objects.create(store=store, day=day, lines=[])
        StockLevel.objects.create(store=store, item=str(number))
        learning.update(newer, world.store(f"T{number}"))
        OutboxEntry.objects.create(collection="orders", key=f"S1/{number}")
    client = world.superuser()

    for address, row in wanted.items():
        model, _, query = address.partition("?")
        found = client.get(f"{world.list_of(model)}?{query}").context["cl"]
        assert [each.pk for each in found.result_list] == [row.pk], address


@pytest.mark.parametrize(
    "address", ["order?store=S1&day=x", "storeupdate?round=x", "storeupdate?round=²", "order?day=x"]
)
def test_what_is_no_day_and_no_number_finds_nothing_or_all(address: str) -> None:
    model, _, query = address.partition("?")

    assert world.superuser().get(f"{world.list_of(model)}?{query}").status_code == 200


# What PostgreSQL looks at, where its statistics say nothing of it


@pytest.fixture
def misjudged(stores: list[Store]) -> list[TaskRun]:
    """When the tables were analyzed, S2 had as good as every run and S1 next to none; of
    handler b, of S1 and on high_priority all the newer ones are."""
    old = runs(300, store_id="S2", handler="b", queue="high_priority", state="dead")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun")
    runs(3000, store_id="S1", handler="a", queue="default", state="succeeded")
    return old


def statements(client: Any, address: str) -> list[str]:
    """What a page asks of the runs, with the settings under which it asks."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [each["sql"] for each in captured if not each["sql"].startswith(("SAVE", "RELEASE"))]


def most_read(found: list[str], table: str = "neural_taskrun") -> int:
    """By the worst of a page's statements, each planned as it was when the page asked."""
    reads = [0]
    for statement in found:
        if "set_config" in statement:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        elif f'"{table}"' in statement:
            reads.append(read(statement))
    return max(reads)


@on_postgresql
@pytest.mark.usefixtures("misjudged")
def test_a_stores_user_costs_no_more_than_the_rows_of_their_stores(stores: list[Store]) -> None:
    client = world.client_of(stores=stores[:1])
    for own in (["S2"], ["S3"], ["S2", "S3"], ["S1", "S2", "S3"]):
        get_user_model().objects.get(username="lee").neural_stores.set(own)
        for query in ("", "state=dead", "work=a", "queue=default&work=a", "error=x", "text=x"):
            found = statements(client, f"{world.list_of('taskrun')}?{query}")
            assert most_read(found) < 100, (own, query)


@on_postgresql
@pytest.mark.usefixtures("misjudged")
def test_two_filters_that_no_index_has_together_cost_a_bounded_number_of_rows() -> None:
    client = world.superuser()
    for query in (
        "store=S1",
        "store=S2",
        "store=S2&work=a",
        "store=S1&work=b",
        "work=b&queue=default",
        "queue=low_priority",
        "queue=high_priority&state=succeeded",
        "state=running",
        "state=pending&work=b",
        "state=dead&store=S1",
        "text=S2",
        "text=timed out",
        "text=error=x&state=dead",
        "text=t100000",
        "requested_by=anna&tries=2",
        "worker=1",
        "period=1h&work=a",
    ):
        found = statements(client, f"{world.list_of('taskrun')}?{query}")
        assert most_read(found) < 100, query


@on_postgresql
def test_events_are_bounded_as_well(stores: list[Store]) -> None:
    made = [
        NeuralEvent(
            store_id="S2" if number < 300 else "S1",
            source="till",
            event_id=f"e{number}",
            type="order.created" if number < 300 else "sales.reported",
            payload={},
            content_hash="0" * 32,
            occurred_at=timezone.now(),
        )
        for number in range(3000)
    ]
    NeuralEvent.objects.bulk_create(made)
    with connection.cursor() as cursor:  # or the plan is by what other tests have left
        cursor.execute("ANALYZE neural_neuralevent")
    client = world.client_of(stores=[stores[1]])

    for query in ("", "type=sales.reported", "unhandled=1", "type=order.created&unhandled=1"):
        found = statements(client, f"{world.list_of('neuralevent')}?{query}")
        assert most_read(found, "neural_neuralevent") < 100, query


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="of SQLite's plans")
@pytest.mark.parametrize("own", [("S2",), ("S1", "S2")], ids=str)
def test_sqlite_reads_the_index_of_stores_as_well(
    own: tuple[str, ...], stores: list[Store]
) -> None:
    runs(50)
    client = world.client_of(stores=[each for each in stores if each.pk in own])

    with CaptureQueriesContext(connection) as captured:
        client.get(f"{world.list_of('taskrun')}?queue=default")
    asked = [each["sql"] for each in captured if '"neural_taskrun"' in each["sql"]]
    plans = []
    for statement in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plans += [row[3] for row in cursor.fetchall()]

    assert any("neural_run_by_store (store_id>? AND store_id<?" in line for line in plans)
    assert not [line for line in plans if line.startswith("SCAN neural_taskrun USING INTEGER")]
    assert not [line for line in plans if line == "SCAN w"]


@on_postgresql
def test_the_days_of_a_few_stores_are_bounded_as_well(stores: list[Store]) -> None:
    def rows(store: str, first: dt.date, days: int, dishes: int) -> None:
        DemandSummary.objects.bulk_create(
            DemandSummary(
                store_id=store,
                period="day",
                starts_on=first + dt.timedelta(days=day),
                dish=str(dish),
                rank=1,
                days=1,
                days_compared=0,
                quantity=1,
                revenue=1,
            )
            for day in range(days)
            for dish in range(dishes)
        )

    rows("S2", dt.date(2024, 1, 1), 300, 1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_demandsummary")
    rows("S1", dt.date(2025, 1, 1), 300, 10)
    client = world.client_of("view_demandsummary", stores=stores[:1])

    for own in (["S2"], ["S3"], ["S2", "S3"], ["S1", "S2"]):
        get_user_model().objects.get(username="lee").neural_stores.set(own)
        for query in ("", "unusual=1"):
            found = statements(client, f"{world.list_of('demandsummary')}?{query}")
            assert most_read(found, "neural_demandsummary") < 100, (own, query)
