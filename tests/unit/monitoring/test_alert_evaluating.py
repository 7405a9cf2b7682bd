"""Relays judge all rules against the real ledger, alone and at once."""

import logging
import threading

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from neural.health.broker import BrokerFacts
from neural.health.checks import CHECKS
from neural.health.situation import Situation
from neural.ledger.prune import prune_old
from neural.models import Store
from neural.monitoring.alerts.evaluating import evaluate
from neural.monitoring.alerts.rules import RULES, Condition, stores
from neural.monitoring.models import Alert, AlertChannel, AlertMessage, AlertState
from neural.monitoring.tables import RESOLVED_ALERTS
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.alert_rules import NOON, Figures, Playing, after, finding


@pytest.fixture
def figures(monkeypatch):
    stores._usual_in.cache_clear()
    yield Figures(monkeypatch)
    stores._usual_in.cache_clear()


def real_situation(**broker) -> Situation:
    situation = Situation()
    situation.broker = BrokerFacts(address="redis://", **broker)
    situation.now = NOON
    return situation


@pytest.mark.django_db
def test_all_rules_are_judged_against_the_real_ledger(figures, caplog):
    world.run(available_at=after(-700), publish_at=after(-700))
    with caplog.at_level(logging.WARNING):
        evaluate(real_situation(), [finding("broker", "ok"), finding("stuck runs")], now=NOON)
    found = set(Alert.objects.values_list("rule", "subject", "state"))
    assert {
        ("no_worker", "default", "firing"),
        ("relay_behind", "default", "firing"),
        ("finding", "stuck runs", "pending"),
    } <= found
    assert "rule_failed" not in caplog.text


@pytest.mark.django_db
def test_an_alert_becomes_a_message_to_each_channel_and_its_end_another(figures):
    AlertChannel.objects.create(name="robot", kind="wecom", language="en")
    waiting = world.run(available_at=after(-700))
    answers = [finding("broker", "ok")]
    for seconds in (0, 15, 30, 45):
        evaluate(real_situation(), answers, now=after(seconds))
    waiting.delete()
    for seconds in (120, 135, 150):
        evaluate(real_situation(), answers, now=after(seconds))
    told = [
        (each["what"], each["title"], each["text"])
        for message in AlertMessage.objects.order_by("pk")
        for each in message.content["alerts"]
    ]
    what_is_wrong = (
        "No worker reads a queue: default",
        "no worker reads default; default: 1 due run, the oldest for 12 min",
    )
    assert told == [("raised", *what_is_wrong), ("resolved", *what_is_wrong)]


@pytest.mark.django_db
def test_what_an_evaluation_asks_does_not_grow_with_history_or_stores(figures):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            evaluate(real_situation(), [], now=NOON)
        return len(queries)

    def grows(letter):
        for number in range(30):
            Store.objects.create(code=f"{letter}{number}")
            figures.last[f"{letter}{number}"] = after(-3000)
            late = {"available_at": after(-700), "publish_at": after(-700)}
            world.run(task_id=f"{letter}{number}", **late)
            world.run("dead", task_id=f"dead-{letter}{number}")

    grows("A")
    asked()
    grows("B")
    few = asked()
    grows("C")
    assert asked() == few


@pytest.mark.django_db(transaction=True)
def test_relays_that_evaluate_at_once_raise_and_tell_each_alert_once(monkeypatch):
    play = Playing(monkeypatch)
    play.finds(*(Condition(subject=f"q{number}") for number in range(5)))
    errors = []

    def relay(barrier, moment):
        try:
            barrier.wait(60)
            evaluate(real_situation(), [], now=moment)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    for moment in (after(0), after(20), after(40)):
        barrier = threading.Barrier(3)
        threads = [threading.Thread(target=relay, args=(barrier, moment)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
    assert not errors
    assert Alert.objects.filter(state=AlertState.FIRING).count() == Alert.objects.count() == 5
    assert sorted(play.told) == [("tested", f"q{number}", "raised") for number in range(5)]


@pytest.mark.django_db
def test_resolved_alerts_are_deleted_after_a_year_and_open_ones_never():
    for number, (state, days) in enumerate([("resolved", 366), ("resolved", 364), ("firing", 999)]):
        began = after(-days * 86400)
        ended = began if state == "resolved" else None
        Alert.objects.create(
            rule="disk",
            subject=str(number),
            severity="warning",
            state=state,
            since=began,
            resolved_at=ended,
        )
    assert prune_old(RESOLVED_ALERTS, now=NOON) == 1
    assert sorted(Alert.objects.values_list("subject", flat=True)) == ["1", "2"]


def test_each_check_names_rules_that_there_are_and_no_rule_is_of_two_checks():
    own = [rule for check in CHECKS for rule in check.alerts]
    others = [rule for check in CHECKS for rule in check.covered_by]

    assert {*own, *others} <= set(RULES.names())
    assert len(own) == len(set(own))


def test_every_rule_that_comes_with_us_is_registered():
    assert set(RULES.names()) == {
        *(
            "batches",
            "beat_silent",
            "broker",
            "database",
            "dead_letters",
            "disk",
            "failure_rate",
            "finding",
        ),
        *("index_behind", "no_worker", "oldest_due", "relay_behind", "schedule_overdue"),
        *("forecasts_lose", "pushes_missed", "silent_store", "stalled_queue", "training_failed"),
    }
