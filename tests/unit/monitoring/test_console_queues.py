"""The page of queues: true without the broker, and pausing for those who may."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone, translation

from neural.broker import publisher
from neural.broker.publisher import BrokerUnavailable
from neural.health.situation import Situation
from neural.models import RunState
from neural.monitoring.console import queues as queues_page
from neural.monitoring.console.queue_facts import LABELS, rates_now, with_pace
from neural.monitoring.console.queues import MOST, SHOWN
from neural.monitoring.examining.duty import examination, take_lease
from neural.monitoring.models import AlertRule
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.reading import Figures
from neural.queues.pausing import pause, pauses
from neural.queues.state import QueueState, Rates, Standing
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_run, make_worker

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/neural/queuepause/"
VIEW, PAUSE = "view_queuepause", "pause_queue"


class Broker:
    """A broker with a message in each queue, or none that answers."""

    def __init__(self, *, answers=True):
        self.answers = answers

    def depths(self, queues):
        if not self.answers:
            raise BrokerUnavailable("gone")
        return dict.fromkeys(queues, 1)


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    broker = Broker()
    monkeypatch.setattr(publisher, "_publisher", broker)
    return broker


@pytest.fixture(autouse=True)
def figures(monkeypatch):
    """Figures by queue of each of the last five minutes."""
    now = timezone.now()
    figures = {("default",): Figures(submitted=20, succeeded=30, dead=10, failed=7)}
    monkeypatch.setattr(reading, "counted_until", lambda: now)
    minutes = {now - dt.timedelta(minutes=number): figures for number in range(5)}
    monkeypatch.setattr(reading, "by_minute", lambda since, until, by: minutes)
    return figures


def of(name):
    situation = Situation()
    return with_pace([situation.queues[name]], rates_now(situation.now))[name]


def facts(**fields):
    known = {"name": "default", "readers": 1, "rates": Rates(incoming=2, outgoing=4)}
    return QueueState(**known | fields)


def rows_in(page):
    """The rows of a page by queue."""
    return {row["facts"].name: row for row in page.context["rows"]}


def examine_all():
    """An examination by a relay, which the home shows."""
    assert take_lease(60)
    for _ in examination():
        pass


def open_page(*permissions, **options):
    return world.client_of(VIEW, *permissions, **options)


# Facts


def test_a_queue_states_what_is_due_the_oldest_its_readers_rates_and_messages():
    make_worker("w@host")
    for minutes in (1, 10):
        make_run(available_at=ago(minutes=minutes))
    make_run(available_at=ago(minutes=-5))
    make_run(RunState.SUCCEEDED)

    found = of("default")

    assert found.due == 2
    assert dt.timedelta(minutes=9) < found.oldest < dt.timedelta(minutes=11)
    assert found.readers == 1
    assert found.rates == Rates(incoming=20, outgoing=40)
    row = rows_in(open_page().get(ADDRESS))["default"]
    assert row["readers"] == ["w@host"]
    assert row["messages"] == 1


def test_it_is_drained_in_the_time_that_its_rates_need():
    assert facts(due=10).drained_in == dt.timedelta(minutes=5)
    assert facts(due=0).drained_in is None
    assert facts(due=10, rates=None).drained_in is None


def test_a_queue_into_which_more_comes_than_goes_out_grows_and_is_never_drained():
    more = facts(due=10, rates=Rates(incoming=5, outgoing=4))
    even = facts(due=10, rates=Rates(incoming=0, outgoing=0))

    assert (more.is_growing, more.drained_in) == (True, None)
    assert (even.is_growing, even.gain, even.drained_in) == (False, 0, None)


def test_a_queue_that_nobody_reads_is_never_drained_whatever_went_out_before():
    unread = facts(due=10, readers=0)

    assert (unread.is_growing, unread.drained_in) == (True, None)


def test_the_state_of_a_queue_is_one_of_four_words():
    make_run(queue="high_priority", available_at=ago(seconds=15))
    make_run(queue="default", available_at=ago(seconds=15))
    assert of("default").standing == Standing.NO_READER
    make_worker("w@host")
    assert of("default").standing == Standing.RUNNING
    assert of("high_priority").standing == Standing.FALLING_BEHIND
    pause(queue="high_priority", reason="repairs", by="lee")
    assert of("high_priority").standing == Standing.PAUSED


def test_a_queue_falls_behind_when_the_alert_about_it_warns():
    make_worker("w@host")
    make_run(queue="high_priority", available_at=ago(seconds=15))
    AlertRule.objects.create(name="oldest_due", thresholds={"oldest_due_urgent_seconds": 3600})

    assert of("high_priority").standing == Standing.RUNNING


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_queue_that_nobody_reads_is_not_green_on_any_page(language):
    make_run(available_at=ago(seconds=15))
    examine_all()
    with translation.override(language):
        word = str(LABELS[Standing.NO_READER])
    client = world.superuser()

    for address in (ADDRESS, "/admin/"):
        page = client.get(address, headers={"accept-language": language}).content.decode()
        table = page[page.index('id="console-queues"') :]
        table = table[: table.index("</table>")]
        assert table.count(f'<span class="neural-badge neural-dead">{word}</span>') == 3
        assert "neural-present" not in table


def test_without_the_broker_the_messages_alone_are_unknown(broker):
    broker.answers = False
    make_run(available_at=ago(minutes=1))

    page = open_page().get(ADDRESS)
    row = rows_in(page)["default"]
    assert (row["messages"], row["facts"].due) == (None, 1)
    assert "The broker does not answer" in page.content.decode()


def test_without_fresh_figures_the_rates_alone_are_unknown(monkeypatch):
    monkeypatch.setattr(reading, "counted_until", lambda: ago(minutes=10))
    assert of("default").rates is None

    monkeypatch.setattr(reading, "counted_until", lambda: None)
    assert of("default").rates is None
    assert "No relay has added up figures lately" in open_page().get(ADDRESS).content.decode()


def test_queues_that_are_not_the_projects_are_shown_if_they_are_read_paused_or_have_due_runs():
    make_worker(queues=["kitchen"])
    make_run(queue="orders", available_at=ago(minutes=1))
    pause(queue="orders", reason="moving", by="lee")

    names = list(Situation().queues)

    assert names == ["high_priority", "default", "low_priority", "kitchen", "orders"]


# Who may


def test_who_may_pause_pauses_with_reason_and_end_and_leaves_an_entry():
    client = open_page(PAUSE)

    answer = client.post(
        f"{ADDRESS}pause/", {"queue": "default", "reason": "repairs", "minutes": "90"}
    )

    assert answer.url == ADDRESS
    row = pauses().get()
    assert (row.reason, row.paused_by) == ("repairs", "lee")
    assert dt.timedelta(minutes=89) < row.until - timezone.now() <= dt.timedelta(minutes=90)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.username) == ("default", "lee")
    assert "repairs" in entry.get_change_message()
    page = client.get(ADDRESS).content.decode()
    assert "repairs" in page
    assert "by lee, since" in page


def test_minutes_of_a_pause_are_counted_by_the_databases_clock(monkeypatch):
    """That of the web process's host may be ahead."""
    theirs = timezone.now() - dt.timedelta(minutes=10)
    monkeypatch.setattr(queues_page, "database_clock", lambda: theirs)

    open_page(PAUSE).post(
        f"{ADDRESS}pause/", {"queue": "default", "reason": "repairs", "minutes": "90"}
    )

    assert pauses(theirs).get().until == theirs + dt.timedelta(minutes=90)


def test_resuming_leaves_an_entry_too():
    pause(queue="default", reason="repairs", by="kim")
    client = open_page(PAUSE)

    assert client.post(f"{ADDRESS}resume/", {"queue": "default"}).url == ADDRESS

    assert not pauses().exists()
    assert "resume" in LogEntry.objects.get().get_change_message()
    client.post(f"{ADDRESS}resume/", {"queue": "default"})
    assert LogEntry.objects.count() == 1


def test_an_end_may_be_a_time_in_the_readers_zone(settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    tomorrow = timezone.localtime() + dt.timedelta(days=1)
    form = {"queue": "default", "reason": "x", "until": tomorrow.strftime("%Y-%m-%dT%H:%M")}

    open_page(PAUSE).post(f"{ADDRESS}pause/", form)

    assert abs(pauses().get().until - tomorrow) < dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"reason": " "}, "A pause needs a reason"),
        ({"minutes": "0"}, "greater than or equal to 1"),
        ({"until": "2020-01-01T00:00"}, "The end of the pause has passed already."),
        ({"minutes": "5", "until": "2100-01-01T00:00"}, "Give minutes or a time, not both."),
        ({"queue": "nosuch"}, "There is no queue"),
        ({"queue": "a\0b"}, "Null characters are not allowed"),
        ({"queue": "%s%(x)s"}, "There is no queue"),
    ],
)
def test_a_wrong_form_is_shown_again_with_what_is_wrong(form, why):
    sent = {"queue": "default", "reason": "repairs", **form}

    answer = open_page(PAUSE).post(f"{ADDRESS}pause/", sent)

    assert answer.status_code == 200
    assert why in answer.content.decode()
    assert not pauses().exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_without_the_permission_nothing_is_offered_and_nothing_done(verb):
    client = open_page()
    form = {"queue": "default", "reason": "x"}

    assert client.post(f"{ADDRESS}{verb}/", form).status_code == 403
    table = client.get(ADDRESS, headers={"HX-Request": "true"}).content.decode()
    assert "<form" not in table
    assert not pauses().exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_no_verb_is_done_by_a_link(verb):
    assert open_page(PAUSE).get(f"{ADDRESS}{verb}/").status_code == 405


def test_users_of_some_stores_see_no_queues():
    client = open_page(PAUSE, stores=[world.store()])

    assert client.get(ADDRESS).status_code == 403
    assert client.post(f"{ADDRESS}pause/", {"queue": "default", "reason": "x"}).status_code == 403
    assert not pauses().exists()


def test_the_part_that_refreshes_by_itself_is_the_table_alone():
    page = open_page().get(ADDRESS, headers={"HX-Request": "true"}).content.decode()

    assert page.strip().startswith("<section")
    assert "<html" not in page


def test_the_page_has_no_script_or_style_of_its_own():
    pause(queue="default", reason="<b>x</b>", by="kim")
    page = open_page(PAUSE).get(ADDRESS).content.decode()

    assert "style=" not in page
    assert "&lt;b&gt;x" in page
    assert "onclick" not in page


# Hundreds of queues


@pytest.fixture
def many():
    """Three hundred queues, of which one is due and unread, and one is paused."""
    make_worker(queues=[f"q{number:03}" for number in range(300)])
    make_run(queue="unread", available_at=ago(minutes=1))
    make_run(queue="q299", available_at=ago(minutes=9))
    pause(queue="q299", reason="moving", by="lee")


def rows_of(page):
    return page.count('<th scope="row">')


def test_of_hundreds_of_queues_those_that_need_somebody_are_shown(many):
    page = open_page(PAUSE).get(ADDRESS).content.decode()

    assert rows_of(page) == SHOWN
    assert page.index(">unread<") < page.index(">q299<") < page.index(">high_priority<")
    assert "304 queues" in page
    assert "2 with due runs" in page
    assert "1 paused" in page
    assert len(page) < 200_000


def test_all_of_them_are_shown_if_asked_for_with_a_link_to_each_form(many):
    page = open_page(PAUSE).get(ADDRESS, {"all": "1"}).content.decode()

    assert rows_of(page) == 304
    assert 'href="/admin/neural/queuepause/?queue=q007"' in page
    assert 'name="minutes"' not in page
    assert f'hx-get="{ADDRESS}?all=1"' in page
    assert MOST > 304


def test_one_queue_is_shown_with_its_form_open(many):
    page = open_page(PAUSE).get(ADDRESS, {"queue": "q007"}).content.decode()

    assert rows_of(page) == 1
    assert "<details open>" in page
    assert "Pause q007" in page


def test_the_queue_of_a_refused_form_is_among_those_shown(many):
    form = {"queue": "q250", "reason": ""}

    page = open_page(PAUSE).post(f"{ADDRESS}pause/", form).content.decode()

    assert "A pause needs a reason" in page
    assert page.index(">q250<") < page.index(">unread<")


def test_an_unknown_queue_is_told(many):
    page = open_page().get(ADDRESS, {"queue": "<b>"}).content.decode()

    assert "There is no queue &lt;b&gt;" in page
    assert rows_of(page) == 0


def test_the_broker_is_asked_for_no_queue_that_is_not_shown(many, broker, monkeypatch):
    asked = []
    monkeypatch.setattr(broker, "depths", lambda queues: asked.extend(queues) or {})

    open_page().get(ADDRESS)

    assert len(asked) == SHOWN


def test_a_few_queues_are_in_their_own_order_without_a_choice():
    make_run(queue="orders", available_at=ago(minutes=1))

    page = open_page().get(ADDRESS).content.decode()

    assert page.index(">high_priority<") < page.index(">orders<")
    assert "Show all queues" not in page
