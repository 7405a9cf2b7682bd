"""Titles of works: what pages show before the name of a handler or a task."""

import pytest
from celery import current_app, shared_task
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy

import neural
from neural.admin import display
from neural.celeryapp.task import LedgerTask
from neural.events.registry import HANDLERS
from neural.ledger import work
from neural.ledger.work import given_title, work_title
from neural.monitoring.alerts import texts
from neural.monitoring.models import Alert
from tests.unit.admin import admin_world as world
from tests.unit.factories import held, make_worker
from tests.unit.monitoring.failing import fail, grouped


@pytest.fixture
def known(monkeypatch):
    """Titles given in a test are forgotten after it, and its handlers with them."""
    monkeypatch.setattr(work, "_of_handlers", dict(work._of_handlers))
    monkeypatch.setattr(HANDLERS, "_things", dict(HANDLERS._things))


def test_a_handler_is_shown_by_the_title_that_it_was_registered_with(known):
    neural.handles("order.created", name="tests.greet", title="Greet the guest")(print)
    assert work_title("tests.greet") == "Greet the guest"


def test_a_handler_without_a_title_is_shown_by_its_name(known):
    neural.handles("order.created", name="tests.greet")(print)
    assert (work_title("tests.greet"), given_title("tests.greet")) == ("tests.greet", "")


def test_a_lazy_title_is_translated_where_it_is_shown(known):
    neural.handles("order.created", name="tests.greet", title=gettext_lazy("Yes"))(print)
    with translation.override("zh-hans"):
        assert work_title("tests.greet") == "是"
    with translation.override("en"):
        assert work_title("tests.greet") == "Yes"


def test_a_task_is_shown_by_its_title_and_one_without_by_its_name():
    @shared_task(base=LedgerTask, name="tests.titled", title="Bake bread")
    def titled():
        """A task with a title."""

    @shared_task(name="tests.untitled")
    def untitled():
        """A plain task, which has none."""

    try:
        assert (work_title("tests.titled"), work_title("tests.untitled")) == (
            "Bake bread",
            "tests.untitled",
        )
    finally:
        for name in ("tests.titled", "tests.untitled"):
            current_app.tasks.pop(name, None)


def test_a_name_that_nobody_registers_is_shown_as_it_is():
    assert work_title("gone.work") == "gone.work"


def test_every_handler_and_every_task_of_ours_has_a_title():
    tasks = [
        name
        for name, task in current_app.tasks.items()
        if isinstance(task, LedgerTask) and name.startswith("neural.")
    ]
    handlers = [each.name for each in HANDLERS if each.function.__module__.startswith("neural.")]
    assert len(tasks) > 10
    assert len(handlers) > 10
    assert [name for name in (*tasks, *handlers) if not given_title(name)] == []


def test_a_page_shows_the_title_and_then_the_name(known):
    neural.handles("order.created", name="tests.greet", title="Greet <guests>")(print)
    shown = display.named_work("tests.greet")
    assert shown == 'Greet &lt;guests&gt; <small class="neural-codename">tests.greet</small>'
    assert display.named_work("gone.work") == "gone.work"


RECORD = "neural.record_order"


def test_an_alert_about_work_has_its_title_and_its_sentence_the_name_too():
    facts = {"failed": 3, "attempts": 4, "seconds": 600}
    alert = Alert(rule="failure_rate", subject=RECORD, facts=facts)
    assert texts.title(alert) == "Many attempts fail: Record orders"
    assert texts.sentence(alert) == (
        "3 of 4 attempts of Record orders (neural.record_order) failed within 10 min (75 %)"
    )


def test_an_alert_about_dead_runs_names_the_work_by_its_title():
    facts = {"dead": 5, "of_work": 4, "work": RECORD, "seconds": 600}
    alert = Alert(rule="dead_letters", facts=facts)
    assert "4 of Record orders (neural.record_order)" in texts.sentence(alert)


@pytest.mark.django_db
def test_the_page_of_workers_shows_the_titles_of_what_runs():
    held(make_worker(), handler=RECORD)
    shown = world.client_of().get(world.list_of("workerprocess")).content.decode()
    assert ">Record orders</a>" in shown


@pytest.mark.django_db(transaction=True)
def test_the_page_of_an_error_group_shows_the_titles_of_what_it_hits():
    fail(work="neural.tasks.index_marked")
    (group,) = grouped()
    address = reverse("admin:neural_monitoring_errorgroup_change", args=[group.pk])
    shown = world.client_of("view_errorgroup").get(address).content.decode()
    assert 'Index what changed <small class="neural-codename">neural.tasks.index_marked<' in shown
