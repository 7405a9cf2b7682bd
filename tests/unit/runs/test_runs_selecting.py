"""Which runs a query means for a user, read in bounded pages that stay as they are."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.kit.keyset import bounded
from neural.kit.keyset.walks import Place
from neural.models import RunState, Store, TaskRun
from neural.runs import counting, selecting
from neural.runs.counting import COUNTED, PARTS, Part, counted
from neural.runs.figures import histogram
from neural.runs.filters import RUN_FILTERS, RunFilter
from neural.runs.lookups import readings_of
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.selecting import select
from tests.unit.admin import admin_world as world
from tests.unit.pages.plans import read, reading

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite keeps no such statistics"
)


def chief() -> Any:
    users = get_user_model().objects
    return users.filter(username="chief").first() or users.create_superuser("chief")


def operator(*stores: Store) -> Any:
    user = get_user_model().objects.create_user("lee", is_staff=True)
    for store in stores:
        store.operators.add(user)
    return user


def found(user: Any = None, **params: str) -> list[str]:
    query = RunQuery.from_params(params)
    user = user or chief()
    keys = select(query, user).page(place=Place(), size=50).keys
    assert set(keys) == set(select(query, user).runs.values_list("pk", flat=True))
    names = dict(TaskRun.objects.values_list("pk", "task_id"))
    return [names[key] for key in keys]


def age(task_id: str, **ago: float) -> None:
    at = timezone.now() - dt.timedelta(**ago)
    TaskRun.objects.filter(task_id=task_id).update(created_at=at)


def test_the_last_seven_days_are_meant_unless_others_are_asked_for() -> None:
    for number, days in enumerate((40, 20, 3, 0)):
        world.run(task_id=f"t{number}")
        age(f"t{number}", days=days, seconds=1)

    assert found() == ["t3", "t2"]
    assert found(period="1h") == ["t3"]
    assert found(period="30d") == ["t3", "t2", "t1"]
    assert found(period="all") == ["t3", "t2", "t1", "t0"]
    day = timezone.now() - dt.timedelta(days=21)
    between = {"since": day.isoformat(), "until": (day + dt.timedelta(days=2)).isoformat()}
    assert found(**between) == ["t1"]


@pytest.mark.parametrize(
    "text", ["run-0001-x", "run-00", "the-event", "国贸", "S9", "READ TIMED", "#{pk}"]
)
def test_one_box_finds_a_run_by_what_people_know_of_it(text: str) -> None:
    store = Store.objects.create(code="S9", name="国贸店")
    wanted = world.run(
        "dead",
        task_id="run-0001-x",
        store=store,
        event=world.event("the-event", at="S9"),
        error="Read timed out.",
    )
    world.run("dead", task_id="run-1111-x", error="refused", event=world.event("other"))

    assert found(text=text.format(pk=wanted.pk)) == ["run-0001-x"]


def test_the_likeliest_reading_is_taken_and_the_others_are_known() -> None:
    world.run(task_id="abcdef")
    world.run(task_id="other", event=world.event("abcdef"))

    assert readings_of("abcdef", chief()) == [
        ("run", "abcdef"),
        ("event", "abcdef"),
        ("error", "abcdef"),
    ]
    assert found(text="abcdef") == ["abcdef"]
    assert found(event="abcdef") == ["other"]
    assert found(text="abcdef", work="none") == []


def test_a_text_that_contradicts_a_field_is_refused() -> None:
    with pytest.raises(QueryRefused, match="chosen already"):
        found(text="timed out", error="refused")


def test_ids_find_old_runs() -> None:
    world.run(task_id="abcdef-1", event=world.event("old"))
    age("abcdef-1", days=400)

    assert found(text="abcdef") == found(event="old") == ["abcdef-1"]
    assert found(event="old", period="7d") == []


@pytest.mark.parametrize("text", ["theirs", "their-event", "Their shop", "S2", "their error"])
def test_no_reading_reaches_another_stores_runs(text: str) -> None:
    theirs = Store.objects.create(code="S2", name="Their shop")
    event = world.event("their-event", at="S2")
    world.run("dead", task_id="theirs-1", store=theirs, event=event, error="their error")
    user = operator(world.store("S1"))

    assert found(user, text=text) == []
    assert [name for name, _value in readings_of(text, user)] == ["error"]
    assert found(user, store="S2") == found(user, run="theirs-1") == []


def test_a_name_of_several_stores_means_all_of_them() -> None:
    for code in ("A1", "A2", "A3"):
        store = Store.objects.create(code=code, name=f"North {code}")
        world.run(task_id=f"t-{code}", store=store)
    world.run(task_id="elsewhere")

    assert found(store="north") == ["t-A3", "t-A2", "t-A1"]
    assert found(store="A2") == ["t-A2"]
    assert found(store="nowhere") == []


def test_works_are_handlers_and_tasks() -> None:
    world.run(task_id="a", event=world.event(), handler="shop.record", task="shop.process")
    world.run(task_id="b", task="shop.count")

    assert found(work="shop.record") == ["a"]
    assert found(work="shop.count") == ["b"]
    assert found(work="shop.process") == []


def test_attempts_are_those_that_failed_or_were_lost() -> None:
    world.run(task_id="a", failures=1, losses=1)
    world.run(task_id="b", failures=1)

    assert found(tries="2") == ["a"]
    assert found(tries="1") == ["b", "a"]


@pytest.fixture
def odd_runs() -> Any:
    """A filter of an app: runs whose task id has a digit at its end."""
    added = RunFilter(
        name="odd",
        label="odd",
        condition=lambda user, value: Q(task_id__endswith=value),
        check=lambda value: "" if value.isdigit() else f"“{value}” is no digit.",
        shown=lambda user, value: f"ends with {value}",
        only_failed=True,
    )
    RUN_FILTERS.add("odd", added)
    yield added
    del RUN_FILTERS._things["odd"]


def test_an_apps_filter_limits_runs_and_refuses_values_of_its_own(odd_runs: RunFilter) -> None:
    world.run("dead", task_id="a1", error="x")
    world.run("dead", task_id="a2", error="x")

    assert found(odd="2") == found(text="odd=2") == ["a2"]
    with pytest.raises(QueryRefused, match="is no digit"):
        found(odd="x")


# Pages


def test_pages_stay_as_they_are_while_runs_arrive() -> None:
    for number in range(9):
        world.run(task_id=f"t{number}")
    query, user = RunQuery(), chief()
    first = select(query, user).page(place=Place(), size=3)

    for number in range(5):
        world.run(task_id=f"new{number}")
    second = select(query, user).page(place=Place(before=first.keys[-1]), size=3)
    again = select(query, user).page(place=Place(after=second.keys[0]), size=3)

    assert [*first.keys, *second.keys] == sorted([*first.keys, *second.keys], reverse=True)
    assert len({*first.keys, *second.keys}) == 6
    assert again.keys == first.keys


def test_slices_have_every_run_once_and_end_at_the_key_that_was_newest() -> None:
    for number in range(25):
        world.run("dead" if number % 3 else "pending", task_id=f"t{number}")
    query, user = RunQuery(state="dead"), chief()
    up_to = TaskRun.objects.order_by("-pk").values_list("pk", flat=True)[0]
    keys, after, done = [], 0, False
    while not done:
        part = select(query, user).slice(after=after, up_to=up_to, size=4)
        keys, after, done = [*keys, *part.keys], part.read_to, part.done
        world.run("dead", task_id=f"late{len(keys)}-{after}")

    assert keys == list(
        TaskRun.objects.filter(state="dead", pk__lte=up_to)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


# Keys of a period


@pytest.mark.parametrize("gap", [1, 7])
def test_keys_of_a_period_leave_out_older_runs_and_no_other(
    gap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "NEAR", 4)
    now = timezone.now()
    TaskRun.objects.bulk_create(
        TaskRun(pk=number * gap + 1, task_id=f"t{number}", task="a", queue="q")
        for number in range(400)
    )
    for number in range(400):
        # Runs of one transaction have its time, so times do not rise quite as keys do.
        at = now - dt.timedelta(hours=400 - number // 3 * 3)
        TaskRun.objects.filter(task_id=f"t{number}").update(created_at=at)
    for first, last in ((0, 400), (17, 90), (200, 201), (399, 400), (-50, 20), (390, 900)):
        since, until = (now - dt.timedelta(hours=400 - hour) for hour in (first, last))
        span = selecting.keys_between(since, until)
        keys = Q(pk__gt=span.above or -1, pk__lt=span.below or 10**6)
        inside = TaskRun.objects.filter(created_at__gte=since, created_at__lt=until)
        assert not inside.exclude(keys).exists()
        extra = TaskRun.objects.filter(keys).count() - inside.count()
        assert extra <= 40, (first, last, span)


def test_a_bisection_reads_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "NEAR", 4)
    TaskRun.objects.bulk_create(
        TaskRun(task_id=f"t{number}", task="a", queue="q") for number in range(1000)
    )
    TaskRun.objects.filter(task_id__lt="t5").update(
        created_at=timezone.now() - dt.timedelta(days=60)
    )
    with CaptureQueriesContext(connection) as captured:
        selecting.keys_between(timezone.now() - dt.timedelta(days=7), None)

    assert len(captured) == 3  # both ends, and all of the bisection
    assert all("LIMIT 1" in each["sql"] for each in captured)


@on_postgresql
@pytest.mark.parametrize("params", [{"store": "S1"}, {"work": "a"}, {"state": "dead"}])
def test_a_page_of_one_value_reads_no_more_rows_than_it_shows(params: dict[str, str]) -> None:
    store = Store.objects.create(code="S1")
    at = timezone.now()
    TaskRun.objects.bulk_create(
        TaskRun(task="t", task_id=f"t{n}", handler="a", store=store, state="dead", finished_at=at)
        for n in range(1500)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun")
    selection = select(RunQuery.from_params(params), chief())

    with reading("neural_taskrun", wanted=51) as read_beside:
        assert len(selection.page(place=Place(), size=50).keys) == 50

    assert max(read_beside) < 100


# Counts and figures


def test_states_are_counted_whatever_state_is_shown() -> None:
    for number in range(3):
        world.run("dead", task_id=f"d{number}")
    world.run("pending", task_id="p0")
    world.run("pending", task_id="p1", failures=1)

    counts = counted(select(RunQuery(state="dead"), chief()), clock=lambda: 0.0)

    said = {(part.state, part.tries): count.text for part, count in counts.items()}
    assert said[RunState.DEAD, None] == "3"
    assert said[RunState.PENDING, None] == "2"
    assert said[RunState.PENDING, 1] == "1"
    assert said[RunState.SUCCEEDED, None] == "0"


def test_counting_ends_at_a_number_and_says_so() -> None:
    TaskRun.objects.bulk_create(
        TaskRun(
            task_id=f"t{number}", task="a", queue="q", state="cancelled", finished_at=timezone.now()
        )
        for number in range(COUNTED + 1)
    )

    counts = counted(select(RunQuery(), chief()), parts=[Part("cancelled")])

    assert counts[Part("cancelled")].text == "1,000+"


def test_a_count_that_did_not_read_all_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 10)
    monkeypatch.setattr(counting, "COUNTED", 5)
    world.run("succeeded", task_id="old", queue="slow")
    for number in range(counting.FEWEST + 5):
        world.run("succeeded", task_id=f"t{number}", queue="quick")

    counts = counted(select(RunQuery(queue="slow"), chief()), parts=[Part("succeeded")])

    assert counts[Part("succeeded")].text == "0+"


def test_no_count_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SECONDS", 0.2)
    world.run("dead")
    clock = iter([0.0, 0.1, *[9.0] * len(PARTS)])

    counts = counted(select(RunQuery(), chief()), clock=lambda: next(clock))

    assert [counts[part].text for part in PARTS] == ["0", *["?"] * (len(PARTS) - 1)]


def test_a_histogram_of_found_runs_has_each_in_its_step() -> None:
    for number, hours in enumerate((50, 30, 30, 1)):
        world.run("dead", task_id=f"t{number}", error="x")
        age(f"t{number}", hours=hours)
    selection = select(RunQuery(error="x"), chief())
    counts = counted(selection, parts=[Part("dead")])

    drawn = histogram(selection, newest=counts[Part("dead")], now=timezone.now())

    assert drawn is not None
    assert sum(drawn.counts) == 4
    assert max(drawn.counts) == 2
    assert drawn.sampled is None
    assert len(drawn.counts) <= 62


# What PostgreSQL looks at


@on_postgresql
def test_a_period_does_not_read_older_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "NEAR", 50)
    old = [
        TaskRun(
            task_id=f"o{n}", task="a", queue="q", created_at=timezone.now() - dt.timedelta(days=30)
        )
        for n in range(3000)
    ]
    TaskRun.objects.bulk_create(old)
    world.run("pending", task_id="new")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun")

    with CaptureQueriesContext(connection) as captured:
        page = select(RunQuery(queue="none"), chief()).page(place=Place(), size=50)

    assert page.keys == []
    assert page.stopped_at is None  # it knows that there are no others
    statements = [each["sql"] for each in captured if 'FROM "neural_taskrun"' in each["sql"]]
    assert max(map(read, statements)) < 100
