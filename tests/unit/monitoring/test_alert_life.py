"""An alert is raised once, told, escalated, taken on by a person, and resolved by itself."""

import datetime as dt
import itertools
import logging
import random

import pytest
from django.utils import timezone, translation

from neural.health.findings import Status
from neural.monitoring.alerts import evaluating, news, texts
from neural.monitoring.alerts.evaluating import evaluate
from neural.monitoring.alerts.rules import RULES, UNKNOWN, Condition, Judgement
from neural.monitoring.models import Alert, AlertRule, AlertState, Severity
from tests.unit.monitoring.alert_rules import NOON, Playing, after, finding, situation

pytestmark = pytest.mark.django_db

WRONG = Condition(subject="default")
WORSE = Condition(subject="default", severity=Severity.CRITICAL)


@pytest.fixture
def play(monkeypatch):
    return Playing(monkeypatch)


def states() -> list[str]:
    return list(Alert.objects.order_by("pk").values_list("state", flat=True))


def test_what_is_found_again_and_again_is_one_alert_and_told_once(play):
    play.finds(Condition(subject="default", facts={"runs": 3}))
    play.passes(600)
    assert states() == ["firing"]
    assert play.told == [("tested", "default", "raised")]
    assert play.alert().since == after(15)
    assert play.alert().seen_at == play.now
    assert play.alert().facts == {"runs": 3}


def test_the_facts_are_those_of_the_last_time(play):
    play.finds(Condition(facts={"runs": 3}))
    play.look()
    play.finds(Condition(facts={"runs": 5}))
    play.look()
    assert play.alert().facts == {"runs": 5}


def test_one_that_ends_within_the_group_wait_is_told_to_nobody(play):
    play.finds(WRONG)
    play.look()
    play.finds()
    play.passes(600)
    assert states() == ["resolved"]
    assert play.told == []


def test_one_that_people_were_told_of_is_resolved_after_it_has_kept_away(play):
    play.finds(WRONG)
    play.passes(60)
    play.finds()
    play.passes(45)
    assert states() == ["firing"]
    play.passes(60)
    assert states() == ["resolved"]
    play.passes(60)
    assert play.whats == ["raised", "resolved"]


def test_what_comes_back_later_is_a_new_alert(play):
    for _ in range(2):
        play.finds(WRONG)
        play.passes(60)
        play.finds()
        play.passes(3600)
    assert states() == ["resolved", "resolved"]
    assert play.whats == ["raised", "resolved"] * 2


def test_a_rule_with_for_waits_until_it_was_found_for_so_long(monkeypatch):
    play = Playing(monkeypatch, tested={"for_seconds": 120})
    play.finds(WRONG)
    play.passes(120)
    assert states() == ["pending"]
    play.passes(15)
    assert states() == ["firing"]
    assert play.told == []
    play.passes(30)
    assert play.whats == ["raised"]


def test_a_pending_alert_that_ends_leaves_no_trace(monkeypatch):
    play = Playing(monkeypatch, tested={"for_seconds": 120})
    play.finds(WRONG)
    play.passes(60)
    play.finds()
    play.look()
    assert states() == []


def test_a_pending_alert_begins_again_if_nobody_looked_for_long(monkeypatch):
    play = Playing(monkeypatch, tested={"for_seconds": 120})
    play.finds(WRONG)
    play.look()
    play.now += dt.timedelta(hours=1)
    play.look()
    assert states() == ["pending"]
    play.passes(135)
    assert states() == ["firing"]


def test_unknown_neither_raises_nor_resolves(play):
    play.judgements["tested"] = UNKNOWN
    play.passes(60)
    assert states() == []
    play.finds(WRONG)
    play.passes(60)
    play.judgements["tested"] = UNKNOWN
    play.passes(24 * 3600, every=600)
    assert states() == ["firing"]
    assert play.whats == ["raised"], "nobody is reminded of what nobody knows"
    play.finds()
    play.passes(60)
    assert states() == ["resolved"]


def test_a_rule_may_know_about_some_subjects_alone(play):
    play.finds(WRONG, Condition(subject="other"))
    play.passes(60)
    play.finds(knows=lambda subject: subject == "other")
    play.passes(120)
    assert dict(Alert.objects.values_list("subject", "state")) == {
        "default": "firing",
        "other": "resolved",
    }


def test_a_rule_that_raises_an_error_is_logged_and_stops_no_other(monkeypatch, caplog):
    play = Playing(monkeypatch, broken={}, tested={})
    play.finds(WRONG)
    monkeypatch.delitem(play.judgements, "broken")
    with caplog.at_level(logging.WARNING):
        play.look()
    assert states() == ["firing"]
    assert "event=rule_failed rule=broken" in caplog.text


def test_a_database_that_is_unwell_mutes_every_other_rule(monkeypatch):
    play = Playing(monkeypatch, database={}, tested={})
    play.finds(WRONG)
    play.finds(Condition(), rule="database")
    evaluate(situation(), [finding("database", Status.PROBLEM)], now=NOON)
    assert list(Alert.objects.values_list("rule", flat=True)) == ["database"]


def test_a_warning_that_becomes_critical_escalates_once_and_never_falls(play):
    play.finds(WRONG)
    play.passes(120)
    play.finds(WORSE)
    play.passes(120)
    play.finds(WRONG)
    play.passes(120)
    play.finds(WORSE)
    play.passes(120)
    assert play.whats == ["raised", "escalated"]
    assert play.alert().severity == Severity.CRITICAL
    assert play.alert().escalated_at == after(135)


def test_people_are_reminded_every_four_hours_unless_somebody_has_taken_it_on(play):
    play.finds(WRONG)
    play.passes(9 * 3600, every=60)
    assert play.whats == ["raised", "reminded", "reminded"]
    assert play.alert().acknowledge("lee", now=play.now)
    play.passes(9 * 3600, every=60)
    assert play.whats == ["raised", "reminded", "reminded"]
    play.finds()
    play.passes(180)
    assert play.whats[-1] == "resolved"
    assert play.alert().acknowledged_by == "lee"


def test_an_alert_is_acknowledged_once_and_only_while_it_fires(play):
    play.finds(WRONG)
    play.look()
    alert = play.alert()
    assert alert.acknowledge("lee", now=play.now)
    assert not alert.acknowledge("kim", now=play.now)
    assert play.alert().acknowledged_by == "lee"


def test_what_somebody_has_taken_on_before_it_was_told_is_not_told(play):
    play.finds(WRONG)
    play.look()
    play.alert().acknowledge("lee", now=play.now)
    play.passes(600)
    assert play.told == []


def test_a_warning_that_was_taken_on_fires_again_when_it_escalates(play):
    play.finds(WRONG)
    play.passes(120)
    play.alert().acknowledge("lee", now=play.now)
    play.finds(WORSE)
    play.passes(60)
    assert states() == ["firing"]
    assert play.whats == ["raised", "escalated"]


def test_new_alerts_of_a_rule_are_told_together(play):
    play.finds(WRONG)
    play.look()
    play.passes(15)
    play.finds(WRONG, Condition(subject="other"))
    play.passes(15)
    assert play.messages == [[("default", "raised"), ("other", "raised")]]


def test_a_rule_is_told_once_a_minute_at_most_and_nothing_is_lost(play):
    moments = []
    play.finds(WRONG)
    for number in range(12):
        before = len(play.messages)
        play.passes(15)
        play.finds(WRONG, *(Condition(subject=f"q{each}") for each in range(number)))
        if len(play.messages) > before:
            moments.append(play.now)
    play.passes(180)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert all(gap >= dt.timedelta(minutes=1) for gap in gaps)
    assert sorted(name for _, name, what in play.told) == sorted(
        ["default", *(f"q{each}" for each in range(11))]
    )


def test_rules_do_not_wait_for_each_other(monkeypatch):
    play = Playing(monkeypatch, one={}, two={})
    play.finds(WRONG, rule="one")
    play.passes(45)
    play.finds(WRONG, rule="two")
    play.passes(45)
    assert play.told == [("one", "default", "raised"), ("two", "default", "raised")]


def test_what_begins_and_ends_again_and_again_is_told_once_as_flapping(play):
    for _ in range(10):
        play.finds(WRONG)
        play.passes(120)
        play.finds()
        play.passes(120)
    assert play.whats == ["raised", "resolved", "flapping"]
    assert states() == ["resolved", "firing"]
    play.passes(1500)
    assert states()[-1] == "firing"
    play.passes(600)
    assert states()[-1] == "resolved"
    assert play.whats == ["raised", "resolved", "flapping", "resolved"]


def test_an_alert_that_is_over_says_since_when_and_the_figures_of_now(monkeypatch):
    play = Playing(monkeypatch, tested={"well": lambda subject, facts: f"{facts['runs']} runs"})
    for _ in range(3):
        play.finds(WRONG)
        play.passes(120)
        play.finds(well=lambda subject: {"runs": 7})
        play.passes(120)

    with translation.override("en"), timezone.override(dt.UTC):
        over_at = f"{after(2 * 240 + 120 + 15):%Y-%m-%d %H:%M:%S}"
        alert = Alert.objects.last()
        told = f"over since {over_at}, kept open because it comes and goes; now: 7 runs"
        assert texts.sentence(alert) == told
        play.finds(well=lambda subject: {"runs": 2})
        play.look()
        assert texts.sentence(Alert.objects.last()) == told.replace("7", "2")
        play.finds(WRONG)
        play.look()
        assert texts.sentence(Alert.objects.last()) == "default is wrong"


def test_what_ended_is_told_with_the_figures_that_it_had(play):
    play.finds(Condition(subject="default", facts={"runs": 3}))
    play.passes(120)
    play.finds(well=lambda subject: {"runs": 0})
    play.passes(30)
    assert "ends in a moment" in texts.sentence(play.alert())
    play.passes(120)

    assert states() == ["resolved"]
    assert play.alert().facts["runs"] == 3
    assert texts.sentence(play.alert()) == "default is wrong"


def test_a_muted_rule_raises_but_tells_nobody_until_then(play):
    AlertRule.objects.create(name="tested", muted_until=after(600))
    play.finds(WRONG)
    play.passes(590)
    assert states() == ["firing"]
    assert play.told == []
    play.passes(30)
    assert play.whats == ["raised"]


def test_a_rule_that_is_switched_off_ends_its_alerts_quietly(play):
    play.finds(WRONG)
    play.passes(60)
    AlertRule.objects.create(name="tested", enabled=False)
    play.passes(300)
    assert states() == ["resolved"]
    assert play.whats == ["raised"]


def test_alerts_of_a_rule_that_no_relay_knows_end_after_a_day(play):
    play.finds(WRONG)
    play.look()
    Alert.objects.update(rule="gone")
    play.passes(23 * 3600, every=600)
    assert Alert.objects.get(rule="gone").state == AlertState.FIRING
    play.passes(2 * 3600, every=600)
    assert Alert.objects.get(rule="gone").state == AlertState.RESOLVED


def test_a_rule_has_a_bounded_number_of_alerts_and_keeps_those_it_has(play, monkeypatch):
    monkeypatch.setattr(evaluating, "MOST_ALERTS", 2)
    play.finds(Condition(subject="z"))
    play.look()
    play.finds(*(Condition(subject=name) for name in "abcz"))
    play.passes(120)
    assert sorted(Alert.objects.values_list("subject", flat=True)) == ["a", "z"]


# Several relays


def test_two_relays_that_look_at_once_raise_one_alert_and_tell_it_once(play, monkeypatch):
    """The second relay reads everything before the first writes."""
    play.finds(WRONG)
    rule = RULES.get("tested")
    for moment in (after(0), after(60)):
        read_by_both = [list(Alert.objects.unresolved()) for _ in range(2)]
        for alerts in read_by_both:
            evaluating.advance(rule, Judgement([WRONG]), alerts, now=moment)
    assert states() == ["firing"]
    both = [list(Alert.objects.open()) for _ in range(2)]
    for alerts in both:
        news._tell(news.news_of(alerts, now=after(60)), now=after(60))
    assert play.whats == ["raised"]


def test_of_two_relays_one_escalates_and_one_resolves(play):
    play.finds(WRONG)
    play.passes(60)
    rule = RULES.get("tested")
    for judgement in (Judgement([WORSE]), Judgement()):
        both = [list(Alert.objects.unresolved()) for _ in range(2)]
        play.now += dt.timedelta(seconds=120)
        for alerts in both:  # the second comes later, with what it read before
            evaluating.advance(rule, judgement, alerts, now=play.now)
            news.tell_news(now=play.now)
            play.now += dt.timedelta(seconds=90)
    assert play.whats == ["raised", "escalated", "resolved"]


def test_a_relay_that_has_just_found_it_is_not_overruled_by_one_that_read_before(play):
    play.finds(WRONG)
    play.passes(60)
    rule = RULES.get("tested")
    read_before = list(Alert.objects.unresolved())
    play.now += dt.timedelta(seconds=600)
    play.look()
    evaluating.advance(rule, Judgement(), read_before, now=play.now)
    assert states() == ["firing"]


def test_a_relay_that_dies_while_it_tells_has_told_nothing_and_the_next_one_does(play, monkeypatch):
    def dies(told, *, now):
        raise KeyboardInterrupt

    play.finds(WRONG)
    monkeypatch.setattr(news, "tell", dies)
    with pytest.raises(KeyboardInterrupt):
        play.passes(60)
    assert play.alert().told_at is None
    monkeypatch.setattr(news, "tell", play._tell)
    play.passes(15)
    assert play.whats == ["raised"]


# Any order


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_conditions_ends_consistently(play, seed):
    """Whatever is found in whatever order: at most one open alert of a subject, each told as raised
    or flapping before anything else, and all resolved in the end."""
    chance = random.Random(seed)
    subjects = ("a", "b", "c")
    for _ in range(40):
        found = [
            Condition(subject=subject, severity=chance.choice(list(Severity)))
            for subject in subjects
            if chance.random() < 0.5
        ]
        unknown = (lambda subject: False) if chance.random() < 0.2 else None
        play.finds(*([] if unknown else found), knows=unknown)
        if chance.random() < 0.1 and (alert := Alert.objects.open().first()):
            alert.acknowledge("lee", now=play.now)
        play.passes(seconds := chance.choice([15, 15, 30, 120, 900]), every=min(seconds, 60))
        per_subject = list(Alert.objects.unresolved().values_list("subject", flat=True))
        assert len(per_subject) == len(set(per_subject))
    play.finds()
    play.passes(3600)
    assert set(states()) <= {"resolved"}
    for subject in subjects:
        told = [what for _, name, what in play.told if name == subject]
        course = "".join({"raised": "R", "flapping": "R", "resolved": "E"}.get(w, "") for w in told)
        assert course.replace("RE", "") == "", course
        for earlier, later in zip(["resolved", *told], told, strict=False):
            assert (later in ("raised", "flapping")) == (earlier == "resolved"), told


def test_every_end_is_told_however_many_come_at_once(play, monkeypatch):
    monkeypatch.setattr(news, "MOST_ENDED", 2)
    subjects = [f"S{number}" for number in range(5)]
    play.finds(*(Condition(subject=each) for each in subjects))
    play.passes(60)
    play.finds()
    play.passes(600)
    ended = [subject for _, subject, what in play.told if what == "resolved"]
    assert sorted(ended) == subjects


def test_the_stores_behind_a_broken_uplink_are_one_message(play):
    play.finds(*(Condition(subject=f"S{number:04}") for number in range(1000)))
    play.passes(120, every=40)
    assert [len(message) for message in play.messages] == [1000]
    play.finds()
    play.passes(120, every=40)
    assert [len(message) for message in play.messages] == [1000, 1000]


def test_an_alert_that_nobody_can_judge_any_more_ends_after_a_day(play):
    """Doctor's probe is gone with its app; or a store is on a long holiday."""
    play.finds(WRONG)
    play.passes(60)
    play.finds(knows=lambda subject: False)
    play.passes(23 * 3600, every=3600)
    assert states() == ["firing"]
    play.passes(2 * 3600, every=3600)
    assert states() == ["resolved"]
    assert play.whats == ["raised"]


def test_what_holds_after_days_without_a_relay_is_the_same_alert(play):
    play.finds(WRONG)
    play.passes(60)
    play.now += dt.timedelta(days=3)
    play.look()
    assert states() == ["firing"]
