"""Relays and workers at the same messages at once: nothing is lost, and nothing is sent twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from neural.monitoring.alerts.sending import take
from neural.monitoring.models import AlertMessage
from tests.unit.monitoring.alerting import alert, channel, only, told

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'",
        reason="SQLite has one writer at a time: nothing happens side by side",
    ),
]

MANY = 6


@pytest.fixture(autouse=True)
def _no_broker(fake_broker):
    """What is told here is sent by nobody."""


def at_once(work, things):
    """Do the work with each of these in a thread of its own, all at the same time."""
    gate = threading.Barrier(len(things))

    def run(thing):
        try:
            gate.wait(60)
            return work(thing)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(run, things))


def test_relays_that_tell_at_once_add_to_one_message():
    channel()
    alerts = [alert(subject=f"q{number}") for number in range(MANY)]
    now = timezone.now()
    at_once(lambda each: told(each, now=now), alerts)
    subjects = [each["subject"] for each in only().content["alerts"]]
    assert sorted(subjects) == sorted(each.subject for each in alerts)


def test_of_all_that_take_a_message_one_has_it():
    channel()
    told(alert())
    message = only()
    now = timezone.now()
    taken = at_once(lambda _: take(message, now=now), range(MANY))
    assert len([each for each in taken if each]) == 1
    assert only().attempts == 1


def test_of_two_messages_of_a_rule_that_are_taken_at_once_one_waits_a_minute():
    row = channel()
    now = timezone.now()
    told(alert(rule="disk", subject=""), now=now)
    content = only().content
    second = AlertMessage.objects.create(channel=row, rule="disk", content=content, due_at=now)
    messages = [AlertMessage.objects.exclude(pk=second.pk).get(), second]
    taken = at_once(lambda each: take(each, now=now), messages)
    assert len([each for each in taken if each]) == 1


def test_news_that_comes_while_a_message_is_taken_is_in_it_or_in_the_next():
    channel()
    told(alert(subject="first"))
    message = only()
    now = timezone.now()
    late = alert(subject="late")
    at_once(lambda work: work(), [lambda: take(message, now=now), lambda: told(late, now=now)])
    contents = AlertMessage.objects.values_list("content", flat=True)
    subjects = [each["subject"] for content in contents for each in content["alerts"]]
    assert sorted(subjects) == ["first", "late"]
