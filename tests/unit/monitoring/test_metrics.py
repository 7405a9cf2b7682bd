"""`/metrics`: Prometheus reads what the figures and the ledger know, and counters never fall."""

import json
import re
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from neural.ledger.prune import Retention, prune_runs
from neural.models import QueuePause, RunState
from neural.monitoring.machines import collecting, counters
from neural.monitoring.models import (
    Alert,
    ErrorGroup,
    ErrorGroupState,
    Examination,
    Severity,
    TotalEvents,
    TotalFigures,
)
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import BOUNDS, BUCKETS, bucket_of
from neural.monitoring.rollups.reading import Figures
from neural.queues import state as queue_state
from neural.worker.models import ProcessKind
from tests.unit.factories import ago, make_run, make_store, make_worker

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[3]
TOKEN = "t" * 20
NAMES = ("submitted", "succeeded", "failed", "lost", "dead", "wait", "duration")


@pytest.fixture(autouse=True)
def fresh(monkeypatch, settings):
    """Nothing is kept from a scrape before, and the figures are those in the tables."""
    settings.NEURAL = settings.NEURAL | {"metrics_seconds": 0, "metrics_token": TOKEN}
    monkeypatch.setattr("neural.monitoring.machines.gauges.KEPT_SECONDS", 0)
    monkeypatch.setattr(reading, "totals", stored_totals)
    monkeypatch.setattr(
        reading, "event_totals", lambda: dict(TotalEvents.objects.values_list("pk", "events"))
    )
    monkeypatch.setattr(reading, "counted_until", lambda: None)


def stored_totals() -> dict[tuple[str, str], Figures]:
    rows = TotalFigures.objects.values("queue", "work", *NAMES)
    return {(row.pop("queue"), row.pop("work")): Figures(**row) for row in rows}


def histogram(*seconds: float) -> list[int]:
    counts = [0] * BUCKETS
    for each in seconds:
        counts[bucket_of(each)] += 1
    return counts


def figures(work: str = "app.orders", queue: str = "default", **fields) -> TotalFigures:
    return TotalFigures.objects.create(queue=queue, work=work, **fields)


def scrape() -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name, then by the values of the labels in the order of their names."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(collecting.exposition().decode()):
        for sample in family.samples:
            key = tuple(sample.labels[name] for name in sorted(sample.labels))
            samples.setdefault(sample.name, {})[key] = sample.value
    return samples


# Counters and histograms


def test_counters_are_the_figures_since_the_first_run():
    figures(submitted=12, succeeded=7, failed=3, lost=1, dead=2)
    TotalEvents.objects.create(event_type="order.placed", events=9)

    told = scrape()

    assert told["neural_events_total"] == {("order.placed",): 9}
    assert told["neural_runs_submitted_total"] == {("default", "app.orders"): 12}
    assert told["neural_tries_total"] == {
        ("succeeded", "default", "app.orders"): 7,
        ("failed", "default", "app.orders"): 3,
        ("lost", "default", "app.orders"): 1,
    }
    assert told["neural_runs_finished_total"] == {
        ("default", "succeeded", "app.orders"): 7,
        ("default", "dead", "app.orders"): 2,
    }


def test_each_bucket_of_the_metrics_is_a_bound_of_the_figures():
    assert set(counters.WAIT_BUCKETS) <= set(BOUNDS)
    assert set(counters.DURATION_BUCKETS) <= set(BOUNDS)


def test_histograms_are_cumulative_and_exact_at_every_bound():
    waits = (0.01, 0.05, 0.06, 9.0, 4000.0)
    figures(wait=histogram(*waits), duration=histogram(0.004))
    figures("app.others", wait=histogram(20.0))

    told = scrape()

    buckets = told["neural_run_wait_seconds_bucket"]
    for bound in counters.WAIT_BUCKETS:
        expected = sum(each <= bound for each in (*waits, 20.0))
        assert buckets[_le(bound), "default"] == expected, bound
    assert buckets["+Inf", "default"] == 6
    assert told["neural_run_wait_seconds_count"] == {("default",): 6}
    assert told["neural_run_duration_seconds_bucket"]["0.005", "default", "app.orders"] == 1


def _le(bound: float) -> str:
    return f"{bound:.1f}" if bound == int(bound) else f"{bound}"


def test_work_beyond_the_fiftieth_is_counted_together():
    for number in range(counters.MOST_WORKS + 2):
        figures(f"app.work{number:02}", submitted=1)

    told = scrape()["neural_runs_submitted_total"]

    assert len(told) == counters.MOST_WORKS + 1
    assert told["default", "other"] == 2


def test_a_busy_latecomer_makes_no_counter_fall():
    for number in range(counters.MOST_WORKS):
        figures(f"app.work{number:02}", submitted=5)
    before = scrape()["neural_runs_submitted_total"]

    figures("aaa.busy", submitted=10_000)

    after = scrape()["neural_runs_submitted_total"]
    assert {key: after[key] for key in before} == before


def test_pruning_makes_no_counter_fall():
    figures(submitted=3, succeeded=3, duration=histogram(0.1, 0.2, 0.3))
    make_run(RunState.SUCCEEDED, created_at=ago(days=99), finished_at=ago(days=99))
    before = scrape()

    assert prune_runs(now=timezone.now(), keep=Retention(states={RunState.SUCCEEDED: 1}))

    after = scrape()
    for name in before:
        if name.endswith(("_total", "_bucket", "_count")):
            assert after[name] == before[name], name


def test_label_values_are_escaped():
    figures('say "hi"\\\nthere', submitted=1)

    assert scrape()["neural_runs_submitted_total"] == {("default", 'say "hi"\\\nthere'): 1}


# Gauges


def test_a_queues_depth_age_readers_and_pause_are_shown():
    make_run(available_at=ago(seconds=90))
    make_run(available_at=ago(seconds=30))
    make_run(available_at=ago(seconds=-60), publish_at=ago(seconds=-60))
    make_run(RunState.RUNNING)
    make_worker()
    make_worker("silent", heartbeat_at=ago(minutes=5))
    QueuePause.objects.create(queue="low_priority", reason="stocktaking", paused_by="ana")

    told = scrape()

    assert told["neural_runs_due"]["default",] == 2
    assert told["neural_queue_oldest_due_seconds"]["default",] == pytest.approx(90, abs=30)
    assert told["neural_runs_running"] == {("default",): 1}
    assert told["neural_queue_readers"]["default",] == 1
    paused = {key: value for key, value in told["neural_queue_paused"].items() if value}
    assert paused == {("low_priority",): 1}
    assert told["neural_relay_unpublished_runs"] == {(): 2}
    assert told["neural_workers"] == {("alive",): 1, ("silent",): 1, ("lost",): 0}


def test_a_long_queue_is_counted_up_to_a_limit_and_its_oldest_is_still_found(monkeypatch):
    monkeypatch.setattr(queue_state, "COUNTED", 2)
    for minutes, priority in ((1, 9), (2, 9), (60, 1)):
        make_run(available_at=ago(minutes=minutes), priority=priority)

    told = scrape()

    assert told["neural_runs_due"]["default",] == 2
    assert told["neural_queue_oldest_due_seconds"]["default",] == pytest.approx(3600, abs=30)


def test_dead_letters_are_told_by_work_with_the_labels_of_the_counters():
    figures("app.orders")
    make_run(RunState.DEAD, handler="app.orders")
    make_run(RunState.DEAD, handler="app.orders")
    make_run(RunState.DEAD, task="app.tasks.old")

    assert scrape()["neural_runs_dead"] == {("app.orders",): 2, ("other",): 1}


def test_error_groups_and_open_alerts_are_told():
    for number, state in enumerate(("open", "open", "muted")):
        ErrorGroup.objects.create(
            fingerprint=str(number), exception="ValueError", state=ErrorGroupState(state),
            first_at=ago(), last_at=ago(),
        )  # fmt: skip
    Alert.objects.create(rule="dead", severity=Severity.WARNING)
    Alert.objects.create(rule="dead", subject="x", severity=Severity.WARNING, state="resolved")

    told = scrape()

    assert told["neural_error_groups"] == {("open",): 2, ("muted",): 1}
    assert told["neural_alerts"] == {("dead",): 1}


def test_when_relay_beat_and_rollup_were_last_heard_of_is_told(monkeypatch):
    counted = timezone.now().replace(microsecond=0)
    monkeypatch.setattr(reading, "counted_until", lambda: counted)
    relay, beat = ago(seconds=7), ago(days=2)
    make_worker(heartbeat_at=relay)
    make_worker("b", kind=ProcessKind.BEAT, heartbeat_at=beat, lost_at=ago(days=1))

    told = scrape()

    assert told["neural_rollup_last_seen_timestamp_seconds"] == {(): counted.timestamp()}
    heard = told["neural_relay_last_seen_timestamp_seconds"][()]
    assert heard == pytest.approx(relay.timestamp(), abs=0.01)
    heard = told["neural_beat_last_seen_timestamp_seconds"][()]
    assert heard == pytest.approx(beat.timestamp(), abs=0.01)


def test_what_nobody_knows_has_no_sample():
    told = scrape()

    assert "neural_broker_up" not in told
    assert "neural_beat_last_seen_timestamp_seconds" not in told


@pytest.mark.parametrize(("facts", "up"), [({"up": True}, 1), ({"up": False}, 0)])
def test_the_broker_is_told_by_the_last_examination(facts, up):
    Examination.objects.create(ended_at=ago(seconds=10), facts={"broker": facts})

    assert scrape()["neural_broker_up"] == {(): up}


def test_an_old_examination_says_nothing_of_the_broker():
    Examination.objects.create(ended_at=ago(minutes=10), facts={"broker": {"up": True}})

    assert "neural_broker_up" not in scrape()


def test_a_schedules_last_success_is_told():
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    every = IntervalSchedule.objects.create(every=1, period="hours")
    schedule = PeriodicTask.objects.create(name="hourly", task="app.tasks.count", interval=every)
    succeeded = ago(hours=1)
    first, second = (f"schedule-{schedule.pk}-{number}" for number in (1, 2))
    make_run(RunState.SUCCEEDED, task="app.tasks.count", task_id=first, finished_at=succeeded)
    make_run(RunState.DEAD, task="app.tasks.count", task_id=second)

    told = scrape()["neural_schedule_last_success_timestamp_seconds"]

    assert told == {("hourly",): pytest.approx(succeeded.timestamp(), abs=0.01)}


def test_waiting_index_changes_are_told_by_collection():
    from neural.retrieval.models import OutboxEntry

    marked = ago(minutes=3)
    for key in ("S01/1", "S01/2"):
        OutboxEntry.objects.create(collection="orders", key=key)
    OutboxEntry.objects.update(created_at=marked)

    told = scrape()

    assert told["neural_index_marks"]["orders",] == 2
    oldest = told["neural_index_oldest_mark_timestamp_seconds"]["orders",]
    assert oldest == pytest.approx(marked.timestamp(), abs=0.01)


def test_a_worker_that_was_lost_within_the_last_hour_is_shown():
    make_worker("a", lost_at=ago(minutes=30), heartbeat_at=ago(minutes=31))
    make_worker("b", lost_at=ago(hours=3), heartbeat_at=ago(hours=3))

    assert scrape()["neural_workers"]["lost",] == 1


# Cost


def test_the_number_of_queries_does_not_grow_with_the_rows(django_assert_max_num_queries):
    with_few = _queries(django_assert_max_num_queries)
    for number in range(60):
        figures(f"app.work{number}", submitted=number)
        make_run(available_at=ago(minutes=1))
        make_run(RunState.DEAD)
        make_worker(f"w{number}")

    # Ten look-ups, one for each priority, once a queue is long; and one queue more.
    assert _queries(django_assert_max_num_queries) <= with_few + 5


def _queries(counting) -> int:
    with counting(80) as captured:
        collecting.exposition()
    return len(captured)


def test_two_scrapes_at_once_cost_one(settings, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(collecting, "_cached", None)
    settings.NEURAL = settings.NEURAL | {"metrics_seconds": 3600}
    first = collecting.exposition()

    with django_assert_num_queries(0):
        assert collecting.exposition() == first
    monkeypatch.setattr(collecting, "_cached", None)


# Access


def get(client, token: str | None = None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.get("/metrics", headers=headers)


def test_the_token_opens_it_without_a_session(client):
    answer = get(client, TOKEN)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert not answer.cookies


@pytest.mark.parametrize("token", [None, "x" * 20, TOKEN + "x"])
def test_without_the_token_it_is_closed(client, token):
    answer = get(client, token)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_without_a_token_in_the_settings_no_token_opens_it(client, settings):
    settings.NEURAL = settings.NEURAL | {"metrics_token": ""}

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_a_short_token_is_refused_at_start(settings):
    from neural.monitoring.conf import conf

    settings.NEURAL = settings.NEURAL | {"metrics_token": "short"}

    with pytest.raises(ValueError, match="at least 20 characters"):
        conf()


@pytest.mark.parametrize(("permitted", "status"), [(True, 200), (False, 401)])
def test_users_need_the_permission(client, permitted, status):
    user = User.objects.create_user("ana", is_staff=True)
    if permitted:
        names = ["view_examination", "view_every_store"]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)

    assert get(client).status_code == status


@pytest.mark.parametrize("stores", [1, 0])
def test_a_user_of_some_stores_or_of_none_sees_no_figures_of_all(client, stores):
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_examination"))
    if stores:
        make_store().operators.add(user)
    client.force_login(user)

    assert get(client).status_code == 401


def test_without_the_database_it_says_so(client, monkeypatch):
    def away():
        raise DatabaseError("secret host name")

    monkeypatch.setattr(collecting, "exposition", away)

    answer = get(client, TOKEN)

    assert answer.status_code == 503
    assert b"secret" not in answer.content


def test_without_the_library_it_says_what_to_install(client, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    def missing():
        raise ModuleNotFoundError("no", name="prometheus_client")

    monkeypatch.setattr(collecting, "exposition", missing)

    assert get(client, TOKEN).status_code == 501


# What is deployed and documented


def families() -> set[str]:
    """Every sample's name that can be scraped, with and without anything to count."""
    exposed = {each.name: each.type for each in collecting._Everything().collect()}
    names: set[str] = set()
    for name, kind in exposed.items():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count"]}.get(kind, [""])
        names |= {name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("file", ["grafana/zhilian-neural.json", "prometheus/zhilian-neural.yml"])
def test_what_dashboard_and_rules_query_exists(file):
    collecting.exposition()
    queried = set(re.findall(r"\bneural_\w+", ROOT.joinpath("deploy", file).read_text()))

    assert queried
    assert queried <= families()


def test_the_dashboard_can_be_imported_anywhere():
    told = json.loads((ROOT / "deploy/grafana/zhilian-neural.json").read_text())

    assert told["uid"] == "zhilian-neural"
    assert told["id"] is None
    assert [each["type"] for each in told["templating"]["list"]][:1] == ["datasource"]
    for panel in told["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_every_metric_is_documented():
    collecting.exposition()
    told = (ROOT / "docs" / "reference" / "metrics.md").read_text()

    names = {documented_as(name) for name in families()}
    assert [name for name in sorted(names) if f"`{name}`" not in told] == []


def documented_as(name: str) -> str:
    return name.removesuffix("_bucket").removesuffix("_count")
