"""Rules about failures, findings, disks, indexes and training."""

import pytest
from django.utils import translation

from neural.forecasting.models import RoundState, TrainingPlan, TrainingRound
from neural.forecasting.neural_alerts import TRAINING_FAILED
from neural.health import database
from neural.health.findings import Status
from neural.monitoring.alerts.rules import UNKNOWN, findings
from neural.monitoring.alerts.rules.findings import BROKER, DATABASE, DISK, FINDING
from neural.monitoring.alerts.rules.queues import NO_WORKER
from neural.monitoring.alerts.rules.runs import DEAD_LETTERS, FAILURE_RATE
from neural.retrieval import neural_alerts
from neural.retrieval.index.lag import Lag
from tests.unit.monitoring.alert_rules import NOON, Figures, after, finding, found, judged, view


@pytest.fixture
def figures(monkeypatch):
    return Figures(monkeypatch)


# Dead letters


def test_any_dead_letter_is_a_warning_and_ten_are_critical(figures):
    assert found(DEAD_LETTERS, view()) == {}
    figures.counted(after(-60), work="app.pay", dead=1)
    assert found(DEAD_LETTERS, view()) == {"": "warning"}
    figures.counted(after(-120), work="app.pay", dead=8)
    assert found(DEAD_LETTERS, view()) == {"": "warning"}
    figures.counted(after(-180), work="app.cook", dead=1)
    assert found(DEAD_LETTERS, view()) == {"": "critical"}
    (condition,) = judged(DEAD_LETTERS, view()).conditions
    assert condition.facts == {"dead": 10, "seconds": 600, "work": "app.pay", "of_work": 9}


def sentence_when_well(rule, subject=""):
    with translation.override("en"):
        return rule.well(subject, judged(rule, view()).well(subject))


@pytest.mark.django_db
def test_of_what_is_well_again_the_figures_are_those_of_now(figures):
    assert sentence_when_well(DEAD_LETTERS) == "no run died within 10 min"
    assert sentence_when_well(FAILURE_RATE, "app.pay").startswith("no attempt of app.pay ended")
    figures.counted(after(-60), work="app.pay", failed=1, succeeded=99)
    assert "1 of 100 attempts of app.pay failed" in sentence_when_well(FAILURE_RATE, "app.pay")
    assert sentence_when_well(NO_WORKER, "default") == "default: nothing is due"


def test_dead_letters_of_long_ago_are_no_news(figures):
    figures.counted(after(-11 * 60), dead=100)
    assert found(DEAD_LETTERS, view()) == {}


@pytest.mark.parametrize("rule", [DEAD_LETTERS, FAILURE_RATE], ids=lambda rule: rule.name)
def test_without_recent_figures_nothing_is_known_of_failures(figures, rule):
    figures.counted(after(-60), dead=100, failed=100)
    figures.until = after(-600)
    assert judged(rule, view()) is UNKNOWN


# Failure rate


@pytest.mark.parametrize(
    ("failed", "succeeded", "severity"),
    [
        (0, 100, None),
        (4, 96, None),
        (5, 95, "warning"),
        (49, 51, "warning"),
        (50, 50, "critical"),
        (9, 0, None),
        (10, 0, "critical"),
    ],
)
def test_a_work_fails_too_often_from_a_share_and_a_number_on(figures, failed, succeeded, severity):
    figures.counted(after(-60), work="app.pay", failed=failed, succeeded=succeeded)
    assert found(FAILURE_RATE, view()) == ({"app.pay": severity} if severity else {})


def test_a_work_that_fails_is_found_among_much_that_succeeds(figures):
    figures.counted(after(-60), work="app.pay", failed=10)
    figures.counted(after(-60), work="app.cook", succeeded=100_000)
    assert found(FAILURE_RATE, view()) == {"app.pay": "critical"}


def test_attempts_of_a_work_in_all_queues_and_minutes_count_together(figures):
    for minute in range(10):
        figures.counted(after(-60 * minute - 30), work="app.pay", failed=1)
    assert found(FAILURE_RATE, view()) == {"app.pay": "critical"}


# Findings


@pytest.mark.parametrize(("rule", "probe"), [(DATABASE, "database"), (BROKER, "broker")])
def test_database_and_broker_are_alerts_as_doctor_finds_them(rule, probe):
    assert found(rule, view(finding(probe, Status.PROBLEM))) == {"": "critical"}
    assert found(rule, view(finding(probe, Status.WARNING))) == {}
    assert judged(rule, view(finding(probe, Status.OK))).knows("")
    assert judged(rule, view(finding(probe, Status.UNKNOWN))) is UNKNOWN
    assert judged(rule, view()) is UNKNOWN


def test_a_problem_that_no_rule_covers_is_an_alert_of_its_probe():
    seen = view(
        finding("stuck runs"),
        finding("clock", Status.WARNING),
        finding("versions", Status.UNKNOWN),
        finding("workers"),
        finding("backlog"),
        finding("broker"),
        finding("disk"),
    )
    assert found(FINDING, seen) == {"stuck runs": "critical"}
    knows = judged(FINDING, seen).knows
    assert knows("clock")
    assert not knows("versions")
    assert not knows("never asked")


def test_a_finding_is_told_in_the_language_of_who_reads_it():
    from django.utils.translation import override

    from neural.monitoring.alerts.rules import View, by_probe

    by_language = {
        "en": [finding("stuck runs", found="it is stuck")],
        "zh-hans": [finding("stuck runs", found="卡住了")],
    }
    seen = View(situation=view().situation, findings=by_probe(by_language), now=NOON)
    (condition,) = judged(FINDING, seen).conditions
    with override("zh-hans"):
        assert FINDING.sentence("stuck runs", condition.facts) == "卡住了"
    with override("en"):
        assert FINDING.sentence("stuck runs", condition.facts) == "it is stuck"
    with override("de"):
        assert FINDING.sentence("stuck runs", condition.facts) == "it is stuck"


# Disks


@pytest.fixture
def disk(monkeypatch, tmp_path):
    monkeypatch.setattr(findings.socket, "gethostname", lambda: "here")
    monkeypatch.setattr(database, "places", lambda: iter([tmp_path, tmp_path]))

    def with_free(percent):
        monkeypatch.setattr(database, "free_of", lambda place: (int(percent * 1000), 100_000))
        return f"here:{tmp_path}"

    return with_free


@pytest.mark.parametrize(
    ("percent", "severity"), [(10, None), (9.9, "warning"), (5, "warning"), (4.9, "critical")]
)
def test_a_disk_is_filling_up_below_a_share_of_its_room(disk, percent, severity):
    subject = disk(percent)
    assert found(DISK, view()) == ({subject: severity} if severity else {})


def test_a_machine_knows_about_its_own_disks_alone(disk):
    subject = disk(50)
    knows = judged(DISK, view(hosts=["here", "there"])).knows
    assert knows(subject)
    assert not knows("there:/var/lib")
    assert knows("gone:/var/lib"), "a machine without any process is gone"


def test_the_room_of_a_disk_is_what_others_than_root_may_use(tmp_path):
    free, size = database.free_of(tmp_path / "not made yet")
    assert 0 < free <= size


# The index


@pytest.fixture
def lag(monkeypatch, settings):
    settings.NEURAL = {**settings.NEURAL, "search": True}

    def is_(**fields):
        monkeypatch.setattr(neural_alerts, "index_lag", lambda *, now: Lag(**fields))

    return is_


@pytest.mark.parametrize(
    ("seconds", "severity"), [(300, None), (301, "warning"), (1800, "warning"), (1801, "critical")]
)
def test_the_index_is_behind_if_a_live_change_waits_for_long(lag, seconds, severity):
    lag(waiting=3, oldest_seconds=99_999, live_seconds=seconds)
    assert found(neural_alerts.INDEX_BEHIND, view()) == ({"": severity} if severity else {})


def test_history_may_wait_to_be_indexed(lag):
    lag(waiting=3, oldest_seconds=99_999)
    assert found(neural_alerts.INDEX_BEHIND, view()) == {}


def test_indexing_that_is_blocked_is_critical(lag):
    lag(troubles=("the model is missing",))
    (condition,) = judged(neural_alerts.INDEX_BEHIND, view()).conditions
    assert condition.severity == "critical"
    assert neural_alerts.INDEX_BEHIND.sentence("", condition.facts) == "the model is missing"


def test_an_index_that_is_switched_off_is_not_behind(lag, settings):
    settings.NEURAL = {**settings.NEURAL, "search": False}
    lag(waiting=3, oldest_seconds=99_999, live_seconds=99_999)
    assert found(neural_alerts.INDEX_BEHIND, view()) == {}


# Training


def a_round(plan, state):
    return TrainingRound.objects.create(
        plan=plan,
        model_type=plan.model_type,
        state=state,
        reason="quorum",
        opened_at=NOON,
        closes_at=NOON,
        closed_at=NOON,
    )


@pytest.mark.django_db
def test_training_has_failed_until_a_later_round_ends_well():
    TrainingPlan.objects.all().delete()
    plan = TrainingPlan.objects.create(model_type="sales")
    assert found(TRAINING_FAILED, view()) == {}
    a_round(plan, RoundState.FAILED_QUORUM)
    assert found(TRAINING_FAILED, view()) == {"sales": "warning"}
    a_round(plan, RoundState.CANCELLED)
    assert found(TRAINING_FAILED, view()) == {"sales": "warning"}
    a_round(plan, RoundState.REJECTED)
    assert found(TRAINING_FAILED, view()) == {}
    a_round(plan, RoundState.FAILED_ERROR)
    assert found(TRAINING_FAILED, view()) == {"sales": "warning"}
    a_round(plan, RoundState.PUBLISHED)
    assert found(TRAINING_FAILED, view()) == {}
