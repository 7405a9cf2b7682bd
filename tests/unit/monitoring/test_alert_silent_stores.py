"""A store is silent if it sends nothing in hours in which it usually does, by its own clock."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model

from neural.models import Store
from neural.monitoring.alerts.rules import UNKNOWN, WATCHED_SINCE, Condition, silence, stores
from neural.monitoring.alerts.rules.stores import SILENT_STORE, is_holiday
from neural.monitoring.console.verdict import open_alerts
from neural.monitoring.examining.duty import watched_since
from neural.monitoring.models import Alert, Examination, Severity
from neural.monitoring.models.alerts import PART
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.alert_rules import NOON, Figures, Playing, found, judged, view

pytestmark = pytest.mark.django_db

SHANGHAI = "Asia/Shanghai"
BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"
OPEN = range(10, 22)
"""The local hours in which the stores of these tests sell."""


@pytest.fixture
def figures(monkeypatch):
    stores._usual_in.cache_clear()
    yield Figures(monkeypatch)
    stores._usual_in.cache_clear()


def local(zone: str, *when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def a_store(code="S1", *, zone=SHANGHAI, country=""):
    return Store.objects.create(code=code, name="Nanjing Road", time_zone=zone, country=country)


def sold(figures, now, *, code="S1", zone=SHANGHAI, hours=OPEN, events=60):
    """The store's events of the last four weeks, but not of the last day."""
    there = ZoneInfo(zone)
    today = now.astimezone(there).date()
    for days in range(30):
        day = today - dt.timedelta(days=days)
        for hour in hours:
            at = dt.datetime(day.year, day.month, day.day, hour, tzinfo=there).astimezone(dt.UTC)
            if at < now - dt.timedelta(hours=25):
                figures.events.setdefault(at, {})[code] = events


def silent_at(figures, now, *, since, own=None):
    figures.until = now
    figures.last["S1"] = since
    return found(SILENT_STORE, view(now=now, own=own))


def test_a_store_that_usually_sells_now_and_sends_nothing_is_silent(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    assert silent_at(figures, now, since=now - dt.timedelta(minutes=30)) == {"S1": "warning"}
    (condition,) = judged(SILENT_STORE, view(now=now)).conditions
    assert condition.store_code == "S1"
    assert condition.facts["usual"] == 30
    assert condition.facts["seconds"] == 1800


def test_a_store_is_not_silent_before_the_time_is_up(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    assert silent_at(figures, now, since=now - dt.timedelta(minutes=29)) == {}


def test_a_store_that_sells_little_is_given_more_time(figures):
    """At six events an hour, ten are usual in 100 minutes."""
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now, events=6)
    assert silent_at(figures, now, since=now - dt.timedelta(minutes=99)) == {}
    assert silent_at(figures, now, since=now - dt.timedelta(minutes=100)) == {"S1": "warning"}


def test_a_store_is_not_silent_at_night_nor_before_it_opens(figures):
    a_store()
    closed = local(SHANGHAI, 2026, 3, 3, 21, 59)
    sold(figures, local(SHANGHAI, 2026, 3, 4, 23, 0))
    for hour in (22, 23):
        assert silent_at(figures, local(SHANGHAI, 2026, 3, 3, hour, 50), since=closed) == {}
    for hour in (0, 4, 9, 10):
        assert silent_at(figures, local(SHANGHAI, 2026, 3, 4, hour, 55), since=closed) == {}


def test_a_store_that_does_not_open_is_silent_when_its_first_hour_is_over(figures):
    a_store()
    closed = local(SHANGHAI, 2026, 3, 3, 21, 59)
    sold(figures, local(SHANGHAI, 2026, 3, 4, 23, 0))
    now = local(SHANGHAI, 2026, 3, 4, 11, 0)
    assert silent_at(figures, now, since=closed) == {"S1": "warning"}


def test_a_store_that_closes_early_in_its_last_hour_is_not_silent(figures):
    """The hour in which it closes has few events, all of them at its beginning."""
    a_store()
    now = local(SHANGHAI, 2026, 3, 3, 22, 30)
    sold(figures, now)
    assert silent_at(figures, now, since=local(SHANGHAI, 2026, 3, 3, 21, 10)) == {}


def test_a_weekday_on_which_it_never_opens_is_no_business_day(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 2, 15, 0)  # a Monday
    sold(figures, now)
    figures.events = {
        hour: own
        for hour, own in figures.events.items()
        if hour.astimezone(ZoneInfo(SHANGHAI)).weekday() != 0
    }
    assert silent_at(figures, now, since=local(SHANGHAI, 2026, 3, 1, 21, 59)) == {}


def test_one_closed_week_does_not_change_what_is_usual_and_three_do(figures):
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    assert silence.usual([60, 60, 60]) == 60
    assert silence.usual([60]) == 0
    assert silence.usual([60, 60]) == 30
    a_store()
    sold(figures, now)
    del figures.events[local(SHANGHAI, 2026, 2, 25, 14)]
    assert silent_at(figures, now, since=now - dt.timedelta(minutes=30)) == {"S1": "warning"}


def test_a_new_store_has_no_usual_hours_yet(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    figures.events[local(SHANGHAI, 2026, 2, 25, 14)] = {"S1": 60}
    assert silent_at(figures, now, since=now - dt.timedelta(hours=2)) == {}


def test_a_store_that_was_given_up_a_month_ago_is_not_silent(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    assert silent_at(figures, now, since=now - dt.timedelta(days=28)) == {}


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (BERLIN, (2026, 3, 30)),  # Monday after the clocks went forward
        (BERLIN, (2026, 10, 26)),  # and back
        (NEW_YORK, (2026, 3, 9)),
        (NEW_YORK, (2026, 11, 2)),
        (SHANGHAI, (2026, 3, 30)),
    ],
)
def test_business_hours_follow_the_stores_clock_over_a_change_of_it(figures, zone, day):
    """At 10:20 the first hour is not over, though the same hour in UTC was a busy one a week ago;
    at 21:30 it is still open, though in UTC that was after the end a week ago."""
    a_store(zone=zone)
    sold(figures, local(zone, *day, 23, 0), zone=zone)
    before = local(zone, *day, 0, 0) - dt.timedelta(hours=2, minutes=1)
    assert silent_at(figures, local(zone, *day, 10, 50), since=before) == {}
    assert silent_at(figures, local(zone, *day, 11, 0), since=before) == {"S1": "warning"}
    late = local(zone, *day, 20, 20)
    assert silent_at(figures, local(zone, *day, 20, 55), since=late) == {"S1": "warning"}


def test_hours_are_compared_by_the_clock_of_each_store(figures):
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)  # 8:00 in Berlin
    a_store()
    a_store("B1", zone=BERLIN)
    sold(figures, now)
    sold(figures, now, code="B1", zone=BERLIN)
    figures.last["B1"] = local(BERLIN, 2026, 3, 3, 21, 59)
    assert silent_at(figures, now, since=now - dt.timedelta(hours=1)) == {"S1": "warning"}


def test_a_public_holiday_is_no_business_day_and_nothing_is_known_of_it(figures):
    now = local(BERLIN, 2026, 12, 25, 15, 0)
    a_store(zone=BERLIN, country="DE")
    sold(figures, now, zone=BERLIN)
    assert silent_at(figures, now, since=now - dt.timedelta(hours=1)) == {}
    assert not judged(SILENT_STORE, view(now=now)).knows("S1")
    Store.objects.update(country="")
    assert found(SILENT_STORE, view(now=now)) == {"S1": "warning"}


def test_a_country_whose_holidays_nobody_knows_has_none():
    assert is_holiday("DE", dt.date(2026, 12, 25))
    assert not is_holiday("DE", dt.date(2026, 12, 28))
    assert not is_holiday("XX", dt.date(2026, 12, 25))
    assert not is_holiday("", dt.date(2026, 12, 25))


def test_without_recent_figures_nobody_knows_who_is_silent(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    figures.last["S1"] = now - dt.timedelta(hours=1)
    figures.until = now - dt.timedelta(minutes=10)
    assert judged(SILENT_STORE, view(now=now)) is UNKNOWN


def test_what_is_usual_is_read_once_however_often_and_for_however_many_stores(figures):
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    for number in range(1, 6):
        a_store(f"S{number}")
        sold(figures, now, code=f"S{number}")
        figures.last[f"S{number}"] = now - dt.timedelta(minutes=40)
    figures.until = now
    for _ in range(3):
        assert len(found(SILENT_STORE, view(now=now))) == 5
    assert set(figures.hours_read.values()) == {1}
    assert len(figures.hours_read) == 3 * silence.WEEKS  # the hour, and those beside it


def test_a_silence_is_told_with_its_figures(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    silent_at(figures, now, since=now - dt.timedelta(minutes=45))
    (condition,) = judged(SILENT_STORE, view(now=now)).conditions
    told = SILENT_STORE.sentence("S1", condition.facts)
    assert "S1 Nanjing Road" in told
    assert "45 min" in told
    assert "45 events" in told


def test_after_an_outage_of_ours_each_store_has_its_time_anew(figures):
    a_store()
    now = local(SHANGHAI, 2026, 3, 4, 15, 0)
    sold(figures, now)
    since = now - dt.timedelta(hours=2)
    row = Examination.objects.create(pk=1)
    for minutes, silent in ((29, {}), (30, {"S1": "warning"})):
        row.facts = {WATCHED_SINCE: (now - dt.timedelta(minutes=minutes)).isoformat()}
        row.save()
        assert silent_at(figures, now, since=since) == silent


def test_a_break_of_five_minutes_is_an_outage():
    began = NOON - dt.timedelta(hours=3)
    before = {"at": NOON.isoformat(), WATCHED_SINCE: began.isoformat()}
    soon, late = NOON + dt.timedelta(minutes=4), NOON + dt.timedelta(minutes=6)
    assert watched_since(before, now=soon) == began.isoformat()
    assert watched_since(before, now=late) == late.isoformat()
    assert watched_since({}, now=NOON) == NOON.isoformat()


# Many at once


def silent(figures, number, *, of=8, own=None, now=None):
    """The conditions while so many of some stores are silent."""
    now = now or local(SHANGHAI, 2026, 3, 4, 15, 0)
    for each in range(of):
        code = f"S{each}"
        if not Store.objects.filter(pk=code).exists():
            a_store(code)
            sold(figures, now, code=code)
        figures.last[code] = now - dt.timedelta(minutes=40 if each < number else 1)
    figures.until = now
    return judged(SILENT_STORE, view(now=now, own=own)).conditions


def test_up_to_five_silent_stores_have_an_alert_each(figures):
    assert [each.subject for each in silent(figures, 5)] == ["S0", "S1", "S2", "S3", "S4"]


def test_more_are_one_alert_of_the_chain_that_names_them(figures):
    chain, *stores = silent(figures, 6)

    assert (chain.subject, chain.store_code, chain.severity) == ("", "", "critical")
    assert chain.facts == {"stores": [f"S{n}" for n in range(6)], "number": 6, "of": 8}
    assert [each.subject for each in stores] == chain.facts["stores"]
    assert all(each.facts[PART] for each in stores)
    told = SILENT_STORE.sentence("", chain.facts)
    assert told.startswith("6 of 8 stores are silent in their business hours: S0, S1,")
    facts = {**chain.facts, "stores": [f"S{n}" for n in range(100)], "number": 300}
    assert SILENT_STORE.sentence("", facts).endswith("S9 and 290 more")


def test_how_many_may_be_told_one_by_one_is_a_threshold(figures):
    own = {"silent_store": {"silent_stores_together": 2}}
    assert silent(figures, 3, own=own)[0].subject == ""


def test_an_alert_of_the_chain_lasts_until_half_as_many_are_silent(figures):
    Alert.objects.create(rule="silent_store", severity="critical")
    assert silent(figures, 3)[0].subject == ""
    assert [each.subject for each in silent(figures, 2)] == ["S0", "S1"]


@pytest.fixture
def play(monkeypatch):
    return Playing(monkeypatch, silent_store={"chain_title": SILENT_STORE.chain_title})


def stores_of(number, **facts):
    return [
        Condition(subject=f"S{each}", store_code=f"S{each}", facts=facts) for each in range(number)
    ]


def test_people_are_told_of_the_chain_alone_and_of_its_end(play):
    chain = Condition(severity=Severity.CRITICAL, facts={"stores": ["S0"], "number": 9, "of": 9})
    play.finds(chain, *stores_of(9, **{PART: True}), rule="silent_store")
    play.passes(120, every=40)
    play.finds(rule="silent_store")
    play.passes(240, every=40)

    assert [(subject, what) for _, subject, what in play.told] == [("", "raised"), ("", "resolved")]


def test_stores_that_are_still_silent_when_the_chain_is_not_are_told_then(play):
    chain = Condition(severity=Severity.CRITICAL)
    play.finds(chain, *stores_of(9, **{PART: True}), rule="silent_store")
    play.passes(120, every=40)
    play.finds(*stores_of(2), rule="silent_store")
    play.passes(240, every=40)

    told = [(subject, what) for _, subject, what in play.told]
    assert sorted(told) == [("", "raised"), ("", "resolved"), ("S0", "raised"), ("S1", "raised")]


def test_who_sees_the_chain_sees_one_alert_and_a_store_its_own(play):
    chain = Condition(severity=Severity.CRITICAL)
    play.finds(chain, *stores_of(9, **{PART: True}), rule="silent_store")
    play.passes(120, every=40)
    chief = world.client_of("view_alert")
    cook = world.client_of("view_alert", name="cook", stores=[a_store("S3")])

    assert [alert.subject for alert in listed(chief)] == [""]
    assert "Many stores are silent" in chief.get(world.list_of("alert")).content.decode()
    assert [alert.subject for alert in listed(cook)] == ["S3"]
    assert len(listed(chief, state="firing")) == 10
    found = {user.username: open_alerts(user) for user in get_user_model().objects.all()}
    assert [each.title for each in found["lee"]] == ["Many stores are silent"]
    assert [each.subject for each in found["cook"]] == ["S3"]


def listed(client, **chosen):
    return client.get(world.list_of("alert"), chosen).context["cl"].result_list


def test_the_home_lists_the_stores_of_the_chains_alert(play):
    facts = {"stores": ["S1", "S2"], "number": 9, "of": 9}
    chain = Condition(severity=Severity.CRITICAL, facts=facts)
    play.finds(chain, rule="silent_store")
    play.passes(120, every=40)
    world.client_of("view_alert")
    (found,) = open_alerts(get_user_model().objects.get())
    assert found.stores == ["S1", "S2"]
