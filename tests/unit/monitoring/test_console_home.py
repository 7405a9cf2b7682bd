"""The home: one look says whether events flow, and who must act."""

import datetime as dt
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import trans_real
from django_celery_beat.models import PeriodicTask

from neural.audit import record_user
from neural.health.checks import CHECKS
from neural.health.examination import ask, of_running_system
from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.kit.thresholds import USUAL
from neural.models import RefusedEvent, SchedulePolicy, Store, TaskRun, WorkerProcess
from neural.monitoring.console import home, tables, verdict
from neural.monitoring.console import page as console_page
from neural.monitoring.console.page import Viewer
from neural.monitoring.console.spans import HOUR, LAST_HOUR, MINUTE, cached_timeline, floor
from neural.monitoring.console.verdict import Item
from neural.monitoring.errors.groups import GroupFigures
from neural.monitoring.examining import duty
from neural.monitoring.models import ErrorGroup, Examination
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import BUCKETS, bucket_of
from neural.monitoring.rollups.reading import Figures
from neural.schedules.state import ScheduleState
from tests.unit.admin import admin_world as world
from tests.unit.schedules.beating import daily

pytestmark = pytest.mark.django_db

HOME = "/admin/"
NIGHTLY_WORK = home.nightly_work
FACTS: dict[str, Any] = {
    "broker": {"up": True, "address": "redis://here", "error": "", "driver": "redis"},
    "queues": {
        name: {"due": 0, "oldest_seconds": None, "readers": 1, "messages": 0, "paused": None}
        for name in ("high_priority", "default", "low_priority")
    },
    "processes": [],
    "since": {},
}
PROCESS = {
    "id": 1,
    "name": "w@h",
    "kind": "worker",
    "queues": ["default"],
    "concurrency": 2,
    "heartbeat_at": "2026-01-01T00:00:00+00:00",
    "lost": False,
    "memory_bytes": 312_000_000,
    "running": 1,
    "work": "app.count",
    "working_since": "2026-01-01T00:00:00+00:00",
}
WELL = Finding(probe="workers", status=Status.OK, found="1 worker is alive")


def waits(seconds: float, count: int) -> list[int]:
    histogram = [0] * BUCKETS
    histogram[bucket_of(seconds)] = count
    return histogram


class Figured:
    """Figures that a test sets, in place of those of the database. It notes what was asked."""

    def __init__(self) -> None:
        self.minute = {("default",): Figures(submitted=30, succeeded=20, failed=1)}
        self.hours: dict[str | None, dict[Any, Figures]] = {}
        """By store; of the whole chain under None."""
        self.events = {"S1": 60, "S2": 120}
        self.last = {"S1": dt.timedelta(0), "S2": dt.timedelta(0)}
        self.counted: dt.timedelta | None = dt.timedelta(seconds=3)
        self.asked: list[str] = []
        self.now = timezone.now()
        self.age = dt.timedelta(days=60)

    def by_minute(self, since: Any, until: Any, *, by: Any = ("queue",)) -> Any:
        self.asked.append("by_minute")
        return dict.fromkeys(_steps(since, until, MINUTE), self.minute)

    def by_hour(self, since: Any, until: Any, *, by: Any = ("queue",), stores: Any = None) -> Any:
        self.asked.append(f"by_hour {stores}")
        found: dict[Any, Figures] = {}
        for store in (None,) if stores is None else stores:
            found |= self.hours.get(store, {})
        return dict.fromkeys(_steps(since, until, HOUR), found)

    def events_by_hour(self, since: Any, until: Any, *, stores: Any = None) -> Any:
        self.asked.append(f"events_by_hour {stores}")
        own = {code: n for code, n in self.events.items() if stores is None or code in stores}
        found = dict.fromkeys(_steps(since, until, HOUR), own)
        elapsed = (timezone.now() - (until - HOUR)) / HOUR
        return found | {until - HOUR: {code: round(n * elapsed) for code, n in own.items()}}

    def last_events(self, stores: Any = None) -> Any:
        self.asked.append(f"last_events {stores}")
        return {
            code: self.now - age
            for code, age in self.last.items()
            if stores is None or code in stores
        }

    def counted_since(self) -> Any:
        return self.now - self.age

    def counted_until(self) -> Any:
        return None if self.counted is None else verdict.database_clock() - self.counted


def _steps(since: dt.datetime, until: dt.datetime, step: dt.timedelta) -> Iterator[dt.datetime]:
    assert since == floor(since, step)
    while since < until:
        yield since
        since += step


@pytest.fixture(autouse=True)
def figures(monkeypatch) -> Figured:
    figured = Figured()
    names = ("by_minute", "by_hour", "events_by_hour", "last_events")
    for name in (*names, "counted_since", "counted_until"):
        monkeypatch.setattr(reading, name, getattr(figured, name))
    return figured


@pytest.fixture(autouse=True)
def alerts(monkeypatch) -> list[Any]:
    """The open alerts that everybody sees."""
    found: list[Any] = []
    monkeypatch.setattr(home, "open_alerts", lambda user: found)
    monkeypatch.setattr(home, "open_groups", lambda user, most: ())
    monkeypatch.setattr(home, "open_count", lambda user: 0)
    monkeypatch.setattr(home, "nightly_work", lambda user: ())
    return found


@pytest.fixture(autouse=True)
def time_stands_still(monkeypatch) -> None:
    """Whatever a busy machine does between the lines of a test, ages stay to the second."""
    moment = timezone.now()
    monkeypatch.setattr(verdict, "database_clock", lambda: moment)


def examined(*found: Finding, seconds_ago: float = 4, facts: Any = None) -> None:
    """The last examination."""
    ended_at = verdict.database_clock() - dt.timedelta(seconds=seconds_ago)
    kept = duty.as_json({"en": [WELL, *found], "zh-hans": [WELL, *found]})
    Examination.objects.update_or_create(
        pk=1,
        defaults={
            "began_at": ended_at,
            "ended_at": ended_at,
            "findings": kept,
            "facts": {**FACTS, **(facts or {})},
        },
    )


def problem(probe: str = "workers", **fields: Any) -> Finding:
    fields.setdefault("found", "nobody reads default")
    return Finding(probe=probe, status=Status.PROBLEM, **fields)


def page(client: Any = None, address: str = HOME) -> str:
    response = (client or world.superuser()).get(address)
    assert response.status_code == 200
    return response.content.decode()


def text_of(html: str, part: str = "console-live") -> str:
    """The words of an element and of all after it, without tags."""
    html = html[html.index(f'id="{part}"') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html[html.index(">") + 1 :]))


def tile(html: str, name: str) -> str:
    found = html[html.index(f'id="console-tile-{name}"') :]
    return text_of(found[: found.index("</section>")], f"console-tile-{name}")


# Where it is


def test_it_is_the_index_of_the_project_and_all_tables_have_an_address_of_their_own():
    client = world.superuser()

    assert "console-verdict" in page(client)
    assert "/admin/neural/taskrun/" in page(client, "/admin/tables/")
    assert "console-verdict" not in page(client, "/admin/tables/")


def test_a_user_who_may_not_see_it_gets_djangos_index():
    html = page(world.client_of())

    assert "console-verdict" not in html
    assert "/admin/neural/taskrun/" in html
    assert (
        world.client_of(name="kim").get("/admin/neural_monitoring/examination/").status_code == 403
    )


def test_on_another_site_it_is_a_page_of_its_own(rf, settings):
    from neural.admin import register

    site = admin.AdminSite("other")
    register(site)

    assert site.is_registered(Examination)


def test_tabs_are_those_that_the_user_may_open():
    html = page(world.client_of("view_examination"))
    tabs = html[html.index("neural-tabs") : html.index("</nav>")]

    assert re.findall(r">\s*(\w[\w ]*)</a>", tabs) == ["Now", "Work", "Orders", "Stores", "Chain"]
    assert tabs.count("aria-current") == 1
    assert f'href="{HOME}" aria-current="true">Now' in tabs


def test_the_open_section_lists_its_pages_and_marks_the_shown_one():
    html = world.client_of("view_examination").get("/admin/neural/workerprocess/").text
    pages = html[html.index("neural-pages") :]
    pages = pages[: pages.index("</nav>")]

    assert re.findall(r">\s*(\w[\w ]*)</a>", pages) == ["Runs", "Workers"]
    assert 'href="/admin/neural/workerprocess/" aria-current="page"' in pages


def test_a_page_without_a_tab_lies_under_all_tables():
    html = world.superuser().get("/admin/auth/user/").text

    assert re.search(r'href="[^"]*tables/" aria-current="page"', html)


# The verdict


def test_it_says_that_all_flows():
    examined()

    html = page()

    assert "All flows" in html
    assert "console-is-good" in html
    assert "Examined 4 s ago" in text_of(html)
    assert "1 check is well" in text_of(html)


def test_what_was_found_is_listed_with_since_when_and_what_to_do():
    since = verdict.database_clock() - dt.timedelta(minutes=21)
    examined(
        problem(remedy="type: manage.py worker"), facts={"since": {"workers": since.isoformat()}}
    )

    told = text_of(page())

    assert "1 thing needs you" in told
    assert "Workers. nobody reads default" in told
    assert "(21 min)" in told
    assert "Type: manage.py worker" in told


def test_title_and_text_are_one_sentence_to_translate(monkeypatch):
    """A full stop is another character in Chinese."""
    sentence = "<strong>%(title)s.</strong> %(text)s"
    texts = trans_real.translation("zh-hans")._catalog._catalogs[0]
    monkeypatch.setitem(texts, sentence, "<strong>%(title)s。</strong>%(text)s")
    examined(problem(found="<b>nobody</b>"))

    headers = {"accept-language": "zh-hans"}
    html = world.superuser().get(HOME, headers=headers).content.decode()

    assert "。</strong>&lt;b&gt;nobody&lt;/b&gt;" in html


def told_by_alerts() -> list[tuple[str, str]]:
    return [(check.name, rule) for check in CHECKS for rule in (*check.alerts, *check.covered_by)]


def test_alerts_come_first_and_a_finding_that_says_the_same_is_left_out(alerts):
    alerts.append(alert(rule="no_worker", title="Nobody works", text="default: 3 due runs"))
    examined(problem(), problem("disk", found="the disk is full"))

    told = text_of(page())

    assert "2 things need you" in told
    assert told.index("Nobody works") < told.index("the disk is full")
    assert "nobody reads default" not in told


@pytest.mark.parametrize(("check", "rule"), told_by_alerts())
def test_of_what_an_open_alert_tells_the_home_says_nothing_twice(alerts, check, rule):
    alerts.append(alert(rule=rule))
    examined(problem(check, found="the same again"))

    assert "the same again" not in text_of(page())


def alert(**fields: Any) -> Item:
    values = {
        "name": "alert-7",
        "rule": "dead_letters",
        "subject": "",
        "store_code": "",
        "title": "Dead letters",
        "text": "3 runs died",
        "remedy": "",
        "since": timezone.now(),
        "is_critical": True,
        "link": "/admin/neural/taskrun/?state=dead&period=all",
        "acknowledge": "/admin/neural_monitoring/alert/7/act/acknowledge/",
        "taken_by": "",
    }
    return Item(**{**values, **fields})


def test_an_alert_is_acknowledged_by_a_form_whose_token_is_the_users_own(alerts):
    alerts.append(alert())
    examined()

    html = page()

    assert 'form="console-acknowledge" formaction="/admin/neural_monitoring/alert/7/act/' in html
    live = html[html.index('id="console-live"') :]
    assert "csrfmiddlewaretoken" in html
    assert "csrfmiddlewaretoken" not in live  # it is shown to all who see the same


def test_what_somebody_has_taken_on_is_listed_but_not_counted(alerts):
    alerts.append(alert(acknowledge="", taken_by="王敏"))
    examined()

    told = text_of(page())

    assert "All flows" in told
    assert "王敏 has taken it on" in told
    assert "Acknowledge " not in told


def test_an_alert_that_is_over_is_listed_but_needs_nobody(alerts):
    alerts.append(alert(text="over since noon", is_over=True))
    examined()

    told = text_of(page())

    assert "All flows" in told
    assert "over since noon" in told
    assert "Acknowledge " not in told


def test_an_alert_that_is_over_hides_nothing_that_a_probe_finds(alerts):
    """The last run died eleven minutes ago, and of 224 nobody has decided what becomes of them."""
    over = {"is_over": True, "rule": "dead_letters"}
    alerts.append(Item(name="a", title="Runs die", text="over since 14:05", **over))
    finding = {"status": Status.WARNING, "found": "224 runs died in the last 24 h"}
    examined(Finding(probe="dead letters", **finding))

    told = text_of(page())

    assert "1 thing needs you" in told
    assert "over since 14:05" in told
    assert "224 runs died in the last 24 h" in told


def test_an_alert_about_a_finding_leads_to_the_rows_to_which_the_finding_leads(alerts):
    alerts.append(alert(rule="finding", subject="stuck runs", link="/admin/alert/"))
    examined()

    assert 'href="/admin/neural/taskrun/?state=running&amp;period=all"' in page()


def test_it_says_so_when_nobody_has_looked_for_two_minutes():
    examined(seconds_ago=121)

    told = text_of(page())

    assert "No relay has looked for 2 min 1 s" in told
    assert "Due runs and readers are as of 2 min 1 s ago" in told


def test_of_nobody_looking_a_full_disk_of_the_database_is_named_as_a_cause():
    examined(seconds_ago=121)

    told = text_of(page())

    assert "manage.py doctor; it says whether workers live and whether the database takes" in told
    assert "(a full disk stops every relay)" in told


def test_it_says_so_when_nobody_has_ever_looked():
    told = text_of(page())

    assert "No relay has looked yet" in told
    assert "All flows" not in told


# Figures


def test_events_a_minute_are_those_of_the_last_hour(figures):
    """180 an hour, whatever the minute."""
    examined()

    assert " 3 a minute" in tile(page(), "events")


def test_failed_attempts_are_a_share_of_all_that_ended(figures):
    figures.minute = {("default",): Figures(succeeded=30, failed=10)}
    figures.hours = {None: {("default",): Figures(succeeded=99, failed=1)}}
    examined()

    told = tile(page(), "failed")

    assert " 25 %" in told
    assert "600 of 2,400 · usually 1.0 %" in told
    assert "console-tile console-bad" in page()


def test_what_is_usual_is_the_same_hours_of_past_weeks_without_the_present_ones(
    figures, monkeypatch
):
    """The hours of an incident, of the present week and of another weekday say nothing of it."""
    figures.minute = {("default",): Figures(succeeded=19, failed=81)}
    hour = floor(verdict.database_clock(), HOUR)
    weeks = {hour - dt.timedelta(weeks=n): share for n, share in ((1, 1), (2, 3), (3, 90), (4, 2))}

    def by_hour(since: Any, until: Any, *, by: Any = ("queue",), stores: Any = None) -> Any:
        of = {each: weeks.get(each, 81) for each in _steps(since, until, HOUR)}
        if until > hour - dt.timedelta(days=6):
            return {}  # the chart's own
        assert until - since <= 2 * HOUR
        share = of[hour - round((hour - since) / dt.timedelta(weeks=1)) * dt.timedelta(weeks=1)]
        return {until - HOUR: {("default",): Figures(succeeded=100 - share, failed=share)}}

    monkeypatch.setattr(reading, "by_hour", by_hour)
    examined()

    told = tile(page(), "failed")

    assert "usually 2.5 %" in told
    assert "console-tile console-bad" in page()


@pytest.mark.parametrize(("days", "told"), [(6.9, ""), (7.2, "usually 1.0 %")])
def test_before_figures_are_a_week_old_nothing_is_usual(figures, days, told):
    figures.hours = {None: {("default",): Figures(succeeded=99, failed=1)}}
    figures.age = dt.timedelta(days=days)
    examined()

    shown = tile(page(), "failed")

    assert told in shown
    assert ("usually" in shown) is bool(told)


def test_dead_letters_are_counted_and_those_of_a_day_are_new(figures):
    for number in range(3):
        world.run("dead", task_id=f"d{number}")
    figures.hours = {None: {("default",): Figures(dead=2)}}
    examined()

    told = tile(page(), "dead")

    assert " 3 runs" in told
    assert "48 new in 24 h" in told


def test_the_urgent_wait_is_bad_beyond_its_limit(figures):
    figures.minute = {("high_priority",): Figures(succeeded=5, wait=waits(100, 5))}
    examined()

    html = page()

    assert "limit 10 s" in tile(html, "wait")
    assert re.search(r'console-bad" id="console-tile-wait"', html)


def test_a_store_that_has_sent_nothing_for_a_day_is_silent(figures):
    world.store("S2")
    figures.last["S2"] = dt.timedelta(hours=25)
    figures.last["S3"] = dt.timedelta(days=30)  # closed for good
    examined()

    html = page()

    assert " 1 of 2 stores" in tile(html, "silent")
    assert "S2" in text_of(html, "console-silent")
    assert "S3" not in text_of(html, "console-silent")


def test_stores_that_an_alert_of_the_chain_names_are_listed(figures, alerts):
    alerts.append(alert(rule="silent_store", stores=["S1", "S2"]))
    figures.last = dict.fromkeys(("S1", "S2", "S3"), dt.timedelta(hours=1))
    examined()

    told = text_of(page(), "console-silent")
    assert "S1" in told
    assert "S2" in told
    assert "S3" not in told


def test_a_store_that_an_alert_calls_silent_is_listed_before_a_day_has_passed(figures, alerts):
    alerts.append(alert(rule="silent_store", store_code="S2"))
    figures.last["S2"] = dt.timedelta(minutes=40)
    examined()

    assert "S2" in text_of(page(), "console-silent")


def test_queues_say_what_is_due_how_fast_it_goes_and_when_it_is_done(figures):
    figures.minute = {("default",): Figures(submitted=10, succeeded=30, dead=2)}
    queue = {"due": 220, "oldest_seconds": 700, "readers": 2, "messages": 0, "paused": None}
    examined(facts={"queues": {"default": queue}})

    told = text_of(page(), "console-queues")

    assert "default falling behind 220 11 min 10 32 10 min 2 workers" in told


@pytest.mark.parametrize(("submitted", "said"), [(0, "it stays"), (10, "it grows")])
def test_a_queue_that_is_never_drained_says_it_as_the_page_of_queues_does(figures, submitted, said):
    figures.minute = {("default",): Figures(submitted=submitted)}
    queue = {"due": 220, "oldest_seconds": 700, "readers": 0, "messages": 0, "paused": None}
    examined(facts={"queues": {"default": queue}})

    assert f"{said} 0 workers" in text_of(page(), "console-queues")


def test_a_paused_queue_is_not_late():
    until = (timezone.now() + dt.timedelta(hours=1)).isoformat()
    queue = {
        "due": 5,
        "oldest_seconds": 9000,
        "readers": 1,
        "messages": 0,
        "paused": {"by": "lee", "reason": "stock-taking", "until": until},
    }
    examined(facts={"queues": {"default": queue}})

    html = page()

    told = text_of(html, "console-queues")
    assert re.search(r"paused until (\d\d-\d\d )?\d\d:\d\d by lee", told)
    assert "console-needs" not in html
    assert "it grows" not in told


def test_a_pause_that_ends_another_day_says_which():
    until = "2031-05-06T07:08:00+00:00"
    paused = {"by": "lee", "reason": "stock-taking", "until": until}
    examined(facts={"queues": {"default": FACTS["queues"]["default"] | {"paused": paused}}})

    assert "paused until 05-06 15:08 by lee" in text_of(page(), "console-queues")


@pytest.mark.parametrize(("span", "columns"), [("hour", 60), ("day", 24), ("week", 84), ("x", 60)])
def test_the_chart_has_a_column_for_each_step_of_the_chosen_span(figures, span, columns):
    figures.hours = {None: {("default",): Figures(succeeded=60)}}
    examined()

    html = page(address=f"{HOME}?span={span}")
    bars = html[html.index('class="console-bars"') :]

    assert bars[: bars.index("</svg>")].count("<g>") == columns
    assert "<caption>Runs finished a minute by queue" in html


def test_many_queues_are_drawn_as_one_but_for_the_busiest_and_those_that_need_somebody_listed(
    figures,
):
    names = [f"q{n:03d}" for n in range(300)]
    figures.minute = {
        (name,): Figures(succeeded=1 + (name == "q200"), wait=waits(0.02, 1)) for name in names
    }
    late = {"due": 5, "oldest_seconds": 90_000, "readers": 1, "messages": 0, "paused": None}
    well = late | {"oldest_seconds": 1}
    queues = {name: late if name == "q299" else well for name in names}
    examined(facts=FACTS | {"queues": queues})

    html = page()

    drawn = html[html.index('id="console-flow"') : html.index('id="console-wait"')]
    series = re.findall(r"<th scope=\"col\">([^<]+)", drawn)
    assert series == ["time", "q000", "q001", "q002", "q200", "other queues", "failed attempts"]
    assert ": q000 1, q001 1, q002 1, q200 2, other queues 296</title>" in drawn
    listed = html[html.index('id="console-queues"') : html.index('id="console-processes"')]
    assert listed.index("q299") < listed.index("q000")
    assert listed.count("<tr") == 1 + tables.QUEUES_SHOWN
    assert "and 280 more" in listed
    assert len(html) < 150_000


def test_waits_are_shown_for_each_queue_and_drawn_for_the_chosen_one(figures):
    figures.minute = {
        (queue,): Figures(wait=waits(0.02, 3)) for queue in ("default", "high_priority")
    }
    examined()

    html = page(address=f"{HOME}?queue=default")

    assert 'aria-label="Wait until started on default' in html
    assert "high_priority" in text_of(html, "console-wait")


def test_workers_and_beat_say_what_they_do_and_when_they_were_heard_of():
    now = verdict.database_clock()
    working = PROCESS | {
        "heartbeat_at": (now - dt.timedelta(seconds=2)).isoformat(),
        "working_since": (now - dt.timedelta(seconds=14)).isoformat(),
    }
    lost = PROCESS | {"name": "gone@h", "lost": True, "running": 0}
    beat = PROCESS | {"name": "beat@h", "kind": "beat", "queues": [], "memory_bytes": None}
    examined(facts={"processes": [working, lost, beat]})

    told = text_of(page(), "console-processes")

    assert "w@h worker present 2 s ago 1 of 2: app.count, 14 s 312.0 MB" in told
    assert "gone@h worker lost" in told
    assert re.search(r"beat@h beat present \d+ days ago - -", told)


def test_a_worker_does_what_its_work_is_called():
    working = PROCESS | {"work": "neural.record_order"}
    examined(facts={"processes": [working]})

    assert "1 of 2: Record orders," in text_of(page(), "console-processes")


def test_of_a_process_nobody_has_looked_at_it_is_unknown_whether_it_is_there():
    examined(seconds_ago=300, facts={"processes": [PROCESS]})

    assert "w@h worker unknown" in text_of(page(), "console-processes")


def test_open_error_groups_are_listed_for_those_who_may_see_them(monkeypatch):
    now = verdict.database_clock()
    group = GroupFigures(
        group=ErrorGroup(pk=1, exception="KeyError", message="'dish'", frame="orders.handle"),
        trend=[0] * 22 + [7, 8],
        attempts=15,
        first_at=now - dt.timedelta(minutes=9),
        last_at=now - dt.timedelta(minutes=4),
        dead=15,
        dead_is_more=False,
        stores=2,
        works=1,
    )
    monkeypatch.setattr(home, "open_groups", lambda user, most: [group])
    monkeypatch.setattr(Viewer, "lists", {"neural_monitoring.errorgroup": "/groups/"})
    examined()

    told = text_of(page(), "console-groups")
    assert re.search(r"KeyError: &#x27;dish&#x27; orders.handle Retry dead runs .* Resolve", told)
    assert "15 failed attempts in 24 h 15 2 4 min" in told

    monkeypatch.setattr(Viewer, "lists", {})
    assert "console-groups" not in page()


def test_scheduled_work_says_how_it_went_last_and_when_it_comes_next(monkeypatch):
    at = timezone.now()
    days_ago = at - dt.timedelta(days=3)
    run = TaskRun(state="succeeded", started_at=at - dt.timedelta(seconds=38), finished_at=at)
    row = ScheduleState(
        schedule=PeriodicTask(name="Demand analysis", crontab=daily(4), last_run_at=days_ago),
        now=at,
        last_run=run,
        policy=SchedulePolicy(),
        thresholds=USUAL,
    )
    monkeypatch.setattr(home, "nightly_work", lambda user: [row])
    examined()

    html = page()

    assert re.search(
        r"Demand analysis succeeded [-\d]+ [:\d]+ 38.0 s [-\d]+ [:\d]+",
        text_of(html, "console-nightly"),
    )
    assert "console-needs" in html


def test_a_night_job_that_is_switched_off_is_on_the_home_and_in_the_verdict(monkeypatch):
    monkeypatch.setattr(home, "nightly_work", NIGHTLY_WORK)
    PeriodicTask.objects.all().delete()
    row = PeriodicTask.objects.create(name="nightly", task="app.x", crontab=daily(4), enabled=False)
    lee = get_user_model().objects.create_user("lee")
    record_user(lee, action="schedule.disable_tasks", rows=[row], reason="the oven")
    examined(ask(CHECKS.get("schedules off"), Situation()))

    html = page()

    told = text_of(html, "console-nightly")
    assert re.search("nightly switched off by lee at .*: the oven", told)
    verdict = text_of(html.partition("console-tile")[0], "console-verdict")
    assert re.search(r"nightly \(switched off by lee at .*: the oven\)", verdict)
    assert 'href="/admin/neural/schedulepolicy/?off=1"' in html


# When something is gone


def test_with_the_broker_away_it_loads_and_says_so():
    broker = {"up": False, "address": "redis://here", "error": "refused", "driver": "redis"}
    examined(problem("broker", found="redis://here does not answer"), facts={"broker": broker})

    assert "Broker. redis://here does not answer" in text_of(page())


def test_without_figures_it_loads_and_says_so(monkeypatch):
    def gone(*args: Any, **options: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    for name in ("by_minute", "by_hour", "events_by_hour", "last_events", "counted_until"):
        monkeypatch.setattr(reading, name, gone)
    examined()

    told = text_of(page())

    assert "The figures cannot be read now" in told
    assert "All flows" in told


def test_it_says_how_old_the_figures_are(figures):
    figures.counted = dt.timedelta(minutes=7)
    examined()

    assert "Figures are as of 7 min ago" in text_of(page())


def test_an_empty_database_is_no_error(figures):
    figures.minute, figures.events, figures.last, figures.counted = {}, {}, {}, None

    told = text_of(page())

    assert "Figures are not complete yet" in told
    assert "Nothing was finished in this time" in told
    assert "Nothing was started in this time" in told


# Whose rows


def refused(store: Any) -> None:
    RefusedEvent.objects.create(
        type="order.created", store_code=store.pk, payload="{}", fingerprint=store.pk
    )


@pytest.fixture
def two_stores(figures) -> Any:
    """Every number of OTHER is 7777 or has it in it; the client sees S1."""
    mine, other = world.store("S1"), world.store("OTHER")
    figures.minute = {("default",): Figures(submitted=7777, succeeded=7777, failed=7777)}
    figures.hours = {
        None: {("default",): Figures(submitted=7777, succeeded=7777, dead=7777)},
        "OTHER": {("default",): Figures(submitted=7777, succeeded=7777, dead=7777)},
        "S1": {("default",): Figures(submitted=5, succeeded=4, failed=1, dead=1)},
    }
    figures.events = {"S1": 60, "OTHER": 7777}
    figures.last = {"S1": dt.timedelta(hours=30), "OTHER": dt.timedelta(hours=31)}
    world.run("dead", task_id="mine", store=mine)
    for number in range(3):
        world.run("dead", task_id=f"other{number}", store=other)
    examined(
        problem("dead letters", found="7777 runs died, such as one of store OTHER"),
        facts={
            "processes": [PROCESS | {"name": "worker-7777@host"}],
            "queues": {"default": FACTS["queues"]["default"] | {"due": 7777}},
        },
    )
    return world.client_of("view_examination", stores=[mine])


@pytest.mark.parametrize("address", [HOME, f"{HOME}?span=week", f"{HOME}?span=hour&queue=default"])
def test_a_user_of_one_store_sees_nothing_of_another(two_stores, address):
    html = page(two_stores, address)

    assert "7777" not in html
    assert "7,777" not in html
    assert "OTHER" not in html


def test_a_user_of_one_store_sees_the_same_of_this_store(two_stores, figures):
    html = page(two_stores)

    assert " 1 runs" in tile(html, "dead")
    assert "24 new in 24 h" in tile(html, "dead")
    assert " 1 a minute" in tile(html, "events")
    assert " 1 of 1 store " in tile(html, "silent")
    assert "default 120 96 24 24" in text_of(html, "console-queues")
    assert "by_minute" not in figures.asked  # it knows no stores


def test_a_user_of_one_store_sees_no_worker_but_whether_anybody_works(two_stores):
    html = page(two_stores)
    assert "console-processes" not in html

    broker = {"up": False, "address": "redis://here", "error": "x", "driver": "redis"}
    examined(seconds_ago=300, facts={"broker": broker})
    told = text_of(page(two_stores))
    assert "No relay has looked" in told
    assert "The broker is away" in told


def an_operator(store: Any) -> Any:
    seen = ("view_examination", "view_taskrun", "view_refusedevent")
    return world.client_of(*seen, stores=[store], name="operator")


def test_the_verdict_is_judged_for_the_stores_that_the_viewer_sees(
    two_stores, figures, monkeypatch
):
    # Figures of stores are by hour: at its beginning, the last ten minutes take in the one before.
    half_past = floor(timezone.now(), HOUR) + dt.timedelta(minutes=30)
    monkeypatch.setattr(verdict, "database_clock", lambda: half_past)
    mine = Store.objects.get(pk="S1")
    figures.hours["S1"] = {("app.weigh",): Figures(succeeded=6, failed=26, dead=27)}
    world.run("dead", task_id="told", store=mine, error="no scale for guest 13800138000")
    refused(mine)
    refused(Store.objects.get(pk="OTHER"))

    html = page(an_operator(mine))
    told = text_of(html)

    assert "All flows" not in told
    assert "console-is-problem" in html
    assert "27 of app.weigh" in told
    assert "of app.weigh failed within" in told
    assert "(81 %)" in told
    assert "1 event was refused in the last 24 h" in told
    assert "OTHER" not in told
    assert "7777" not in told
    assert "13800138000" not in html


def test_a_store_of_which_nothing_is_wrong_flows_whatever_there_is_elsewhere(two_stores, figures):
    figures.hours["S1"] = {("app.weigh",): Figures(succeeded=5)}
    TaskRun.objects.filter(store="S1").delete()
    refused(Store.objects.get(pk="OTHER"))

    told = text_of(page(an_operator(Store.objects.get(pk="S1"))))

    assert "All flows" in told


def test_dead_runs_of_a_store_are_told_when_the_hour_of_their_alert_is_over(two_stores, figures):
    figures.hours["S1"] = {}

    told = text_of(page(an_operator(Store.objects.get(pk="S1"))))

    assert "1 thing needs you" in told
    assert "1 run died in the last 24 h" in told
    assert "manage.py" not in told


def test_runs_of_a_store_that_nobody_takes_are_told_with_their_number_alone(two_stores, figures):
    figures.hours["S1"] = {}
    TaskRun.objects.all().delete()
    due = {"available_at": timezone.now() - dt.timedelta(hours=1), "queue": "unread"}
    for number, store in enumerate(("S1", "OTHER", "OTHER")):
        world.run("pending", task_id=f"due{number}", store=Store.objects.get(pk=store), **due)

    told = text_of(page(an_operator(Store.objects.get(pk="S1"))))

    assert "no worker reads unread; unread: 1 due run, the oldest for 60 min" in told


def test_without_the_right_to_see_runs_a_user_hears_of_none(two_stores):
    Permission.objects.get(codename="view_taskrun").user_set.clear()

    told = text_of(page(two_stores))

    assert "All flows" in told


def test_a_store_that_cannot_be_judged_is_not_said_to_flow(two_stores, monkeypatch):
    monkeypatch.setattr(verdict, "found_now", lambda *args, **options: 1 / 0)

    told = text_of(page(an_operator(Store.objects.get(pk="S1"))))

    assert "All flows" not in told
    assert "cannot be read now" in told


def test_a_user_of_no_store_sees_nothing(two_stores):
    html = page(world.client_of("view_examination", stores=[], name="nobody"))
    assert "7777" in html  # this one sees every store

    user = world.client_of("view_examination", stores=[world.store("S3")], name="new")
    assert "7,777" not in page(user)


# What it costs


def queries(client: Any) -> int:
    """Statements of the page, without savepoints, which are the tests'."""
    with CaptureQueriesContext(connection) as captured:
        page(client)
    return sum("SAVEPOINT" not in each["sql"] for each in captured)


def test_its_statements_do_not_grow_with_the_rows(figures):
    examined()
    client = world.superuser()
    world.run("dead", task_id="d")
    queries(client)  # content types and the like
    few = queries(client)

    for number in range(10):
        world.run("dead", task_id=f"d{number}")
        WorkerProcess.objects.create(name=f"w{number}", host="h", process_id=number)
        figures.last[f"X{number}"] = dt.timedelta(days=2)
        figures.minute[(f"q{number}",)] = Figures(succeeded=1)
        world.store(f"X{number}")

    assert queries(client) <= few + 1  # the names of silent stores
    assert few <= 15


@pytest.fixture
def shared_cache(settings, monkeypatch):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    clock = SimpleNamespace(time=lambda: 0.0)  # nothing is too old, however long the test takes
    monkeypatch.setattr("django.core.cache.backends.locmem.time", clock)
    cache = caches.create_connection("default")
    cache.clear()
    monkeypatch.setattr(console_page, "cache", cache)
    return cache


def test_it_is_made_once_for_all_who_see_the_same(figures, shared_cache):
    examined()
    one = world.client_of("view_examination", name="one")
    other = world.client_of("view_examination", name="other")

    assert page(one).partition("console-live")[2] == page(other).partition("console-live")[2]
    assert figures.asked.count("by_minute") == 1


def test_it_is_made_anew_for_those_who_see_other_stores_or_read_another_language(
    figures, shared_cache, two_stores
):
    chain = world.client_of("view_examination", name="chain")
    assert "7,777" in page(chain)
    assert "7,777" not in page(two_stores)

    chinese = chain.get(HOME, headers={"accept-language": "zh-hans"}).content.decode()
    assert "7,777" in chinese
    assert text_of(chinese) != text_of(page(chain))


def test_figures_of_minutes_are_read_once_for_pages_in_every_language(figures, shared_cache):
    now = timezone.now()
    first, again = (cached_timeline(LAST_HOUR, now=now, stores=None, key="all") for _ in range(2))

    assert first == again
    assert figures.asked.count("by_minute") == 1
    cached_timeline(LAST_HOUR, now=now + MINUTE, stores=None, key="all")
    assert figures.asked.count("by_minute") == 2  # other minutes


def test_hours_are_kept_for_a_while_because_those_of_many_stores_are_many_rows(
    figures, shared_cache, two_stores
):
    one = world.client_of("view_examination", name="one")
    figures.hours[None] = {("default",): Figures(succeeded=60, dead=3, wait=waits(0.02, 5))}
    first = page(one, f"{HOME}?span=day")
    asked = sum(each.startswith("by_hour") for each in figures.asked)

    again = page(one, f"{HOME}?span=day&queue=default")

    assert sum(each.startswith("by_hour") for each in figures.asked) == asked
    assert text_of(first, "console-flow") == text_of(again, "console-flow")
    assert "72 new in 24 h" in tile(again, "dead")
    assert "24 new in 24 h" in tile(page(two_stores), "dead")  # of other stores


def test_a_cache_that_is_away_is_an_empty_one(monkeypatch):
    class Away:
        def get(self, key: str) -> Any:
            raise OSError("away")

    monkeypatch.setattr(console_page, "cache", Away())
    examined()

    assert "All flows" in page()


# How it is built


def test_htmx_gets_the_part_that_refreshes_alone():
    examined()

    html = world.superuser().get(HOME, headers={"hx-request": "true"}).content.decode()

    assert html.strip().startswith('<div id="console-live"')
    assert "csrfmiddlewaretoken" not in html
    assert "<html" not in html


class Strict(HTMLParser):
    """Fails on what a content security policy of 'self' blocks, and on tags that do not nest."""

    VOID = {"meta", "link", "input", "br", "img", "hr", "path", "rect", "polyline", "use"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        assert "style" not in given, (tag, given)
        assert not [name for name in given if name.startswith("on")], (tag, given)
        assert tag != "script" or "src" in given, "an inline script"
        assert tag != "style"
        if given.get("id"):
            self.ids.append(given["id"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.handle_starttag(tag, attrs)
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("span", ["hour", "week"])
def test_it_has_no_inline_script_and_no_style_and_its_tags_nest(alerts, figures, span):
    alerts.append(alert())
    figures.minute = {("high_priority",): Figures(succeeded=5, failed=1, wait=waits(0.02, 5))}
    figures.last["S2"] = dt.timedelta(hours=25)
    examined(problem(remedy="do <it>"), seconds_ago=300)
    parser = Strict()

    parser.feed(page(address=f"{HOME}?span={span}"))

    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


def test_what_comes_from_outside_is_escaped(alerts):
    alerts.append(alert(title="<b>x</b>", text="<script>1</script>"))
    examined(problem("disk", found="<i>full</i>", remedy="<u>mend</u>"))

    html = page(address=f"{HOME}?queue=%22%3E%3Cb%3E")

    for raw in ("<b>", "<script>1", "<i>", "<u>"):
        assert raw not in html


def test_what_is_kept_of_one_viewer_is_bounded():
    """Any address may be asked for; only known spans and short names of queues are kept apart."""
    assert {"hour", "day", "week"} == home.SPANS
    assert tables.STORES_SHOWN < 20


def test_what_relays_look_at_has_a_heading_in_the_language_of_its_reader():
    assert [each.name for each in of_running_system() if not each.title] == []


def test_of_a_paused_queue_nobody_says_that_it_is_never_drained(figures):
    figures.minute = {("low_priority",): Figures(submitted=5)}
    pause = {"by": "lee", "reason": "repairs", "until": None}
    queue = {"due": 4, "oldest_seconds": 9, "readers": 1, "messages": 0, "paused": pause}
    examined(facts={"queues": {"low_priority": queue}})

    assert "it grows" not in world.superuser().get(HOME).content.decode()
