"""People see what platforms were asked for, ask by a button or a command, and are alerted."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from neural.health.situation import Situation
from neural.hooks.incoming import reconciling
from neural.hooks.models import Reconciliation
from neural.hooks.neural_alerts import PUSHES_MISSED
from neural.ledger.prune import prune_old
from neural.models import AuditEntry, TaskRun
from neural.monitoring.alerts.rules import View
from tests.unit.admin.admin_world import act_on, client_of, page_of, superuser
from tests.unit.factories import make_store
from tests.unit.hooks.hooks_world import source
from tests.unit.hooks.reconciling_world import DAY, ask, each_world, work

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("fake_broker", "reaching_servers_here"),
]

LIST = "/admin/neural_hooks/reconciliation/"
VIEW = ("view_webhooksource", "view_reconciliation")


@each_world("square")
def test_a_button_asks_for_yesterday_and_today_and_is_audited(world, server, till):
    client = superuser()

    assert "Fetch what was missed" in client.get(page_of(till)).content.decode()
    client.post(act_on(till, "reconcile"))

    last = reconciling.today(timezone.now())
    days = set(Reconciliation.objects.values_list("day", flat=True))
    assert days == {last, last - dt.timedelta(days=1)}
    entry = AuditEntry.objects.get(action="webhooksource.reconcile")
    assert (entry.count, entry.target_ids) == (1, [str(till.pk)])
    assert "was missed" in client.get(page_of(till)).content.decode()


@each_world("square")
def test_the_button_needs_its_permission(world, server, till):
    reader = client_of(*VIEW)

    assert "Fetch what was missed" not in reader.get(page_of(till)).content.decode()
    assert reader.post(act_on(till, "reconcile")).status_code == 403
    assert not Reconciliation.objects.exists()


def test_the_page_of_a_source_that_cannot_be_asked_says_why():
    made = source("partner", platform="deliverect", store="S1")

    page = superuser().get(page_of(made)).content.decode()

    assert "Deliverect has no list of orders by day to ask for" in page
    assert "/act/reconcile/" not in page


@each_world("square")
def test_a_report_is_a_row_in_words_and_drawn(world, server, till):
    for number in range(1, 4):
        world.add(server, number)
    world.spoil(server.rows["orders"][2])
    world.push(till, server.rows["orders"][0])
    work()
    row = ask(till)
    client = superuser()

    for address in (LIST, page_of(row)):
        page = client.get(address).content.decode()
        assert "run-succeeded" in page
        assert "run-failed" in page
    assert "3 found: 1 already here, 1 submitted, 1 not translated." in page
    assert f"?source={till.pk}" in client.get(page_of(till)).content.decode()


@each_world("square")
def test_a_report_names_the_requests_that_failed_and_asks_again(world, server, till):
    server.first = [("/", (500, {}, {}))] * reconciling.MOST_TRIES
    row = ask(till, hours=1)
    client = superuser()

    page = client.get(page_of(row)).content.decode()
    assert "L1: POST 127.0.0.1 answered 500" in page
    assert "1 store failed." in page
    client.post(act_on(row, "ask_again"))

    assert Reconciliation.objects.filter(day=row.day, state="asking").count() == 1


@each_world("square")
def test_the_page_shows_how_far_it_is_until_it_has_ended(world, server, till):
    for number in range(1, 4):
        world.add(server, number)
    row = reconciling.request(till, DAY, by="a test")
    reconciling._Asking(row).step()
    client = superuser()

    shown = client.get(page_of(row)).content.decode()
    assert 'data-refresh="2"' in shown
    assert "2 found" in shown
    work()
    assert "data-refresh" not in client.get(page_of(row)).content.decode()


@each_world("square")
def test_a_user_of_other_stores_sees_no_report(world, server, till):
    row = ask(till)
    limited = client_of(*VIEW, stores=[make_store("S9")])

    assert limited.get(page_of(row)).status_code in (302, 404)
    assert str(row.day) not in limited.get(LIST).content.decode()


# The command


@each_world("square")
def test_the_command_asks_here_and_prints_what_it_found(world, server, till, capsys):
    world.add(server, 1)

    call_command("reconcile", "--day", "2026-03-02", "--now")

    assert "square 2026-03-02: state done, asked 3, found 1, here 0, submitted 1" in (
        capsys.readouterr().out
    )
    assert AuditEntry.objects.filter(action="webhooksource.reconcile").exists()


@each_world("square")
def test_the_command_asks_for_all_days_since_one(world, server, till):
    last = reconciling.today(timezone.now())

    call_command("reconcile", "--since", str(last - dt.timedelta(days=6)), "--source", "square")

    assert Reconciliation.objects.count() == 7
    assert TaskRun.objects.filter(task=reconciling.TASK).count() == 7


@each_world("square")
def test_the_command_ends_with_1_if_requests_failed(world, server, till, monkeypatch):
    monkeypatch.setattr(reconciling, "FIRST_WAIT_SECONDS", 0.0)
    server.first = [("/", (500, {}, {}))] * reconciling.MOST_TRIES

    with pytest.raises(CommandError) as failed:
        call_command("reconcile", "--day", "2026-03-02", "--now")
    assert failed.value.returncode == 1


def test_the_command_refuses_what_cannot_be_asked():
    source("partner", platform="deliverect", store="S1")
    for name, why in (("partner", "no list of orders"), ("nobody", "no webhook source")):
        with pytest.raises(CommandError, match=why) as refused:
            call_command("reconcile", "--source", name)
        assert refused.value.returncode == 2


# The alert


def _told():
    """What the rule says now, by source."""
    view = View(situation=Situation(), findings={}, now=timezone.now())
    judged = PUSHES_MISSED.judge(view, view.thresholds_of(PUSHES_MISSED))
    return {
        each.subject: PUSHES_MISSED.sentence(each.subject, each.facts) for each in judged.conditions
    }


def _report(made, **values):
    return Reconciliation.objects.create(source=made, day=DAY, **{"state": "done", **values})


def test_an_alert_says_that_pushes_do_not_arrive():
    made = source("bund", platform="square")
    assert _told() == {}
    _report(made, found=100, here=100)
    assert _told() == {}
    _report(made, found=100, here=96, submitted=4)  # below 5 %
    assert _told() == {}
    _report(made, found=20, here=18, submitted=2)  # fewer than 3
    assert _told() == {}
    _report(made, found=100, here=90, submitted=9, untranslated=1)
    assert "of 100 that bund has of 2026-03-02, no push had brought 10" in _told()["bund"]
    _report(made, found=100, here=100)
    assert _told() == {}


def test_an_alert_says_that_asking_failed_or_does_not_end():
    made = source("bund", platform="square")
    failed = {"code": "L1", "reason": "GET x answered 401"}
    _report(made, state="failed", failures=[failed])
    assert "failed: GET x answered 401" in _told()["bund"]
    row = _report(made, state="asking")
    assert _told() == {}
    Reconciliation.objects.filter(pk=row.pk).update(
        created_at=timezone.now() - dt.timedelta(hours=7)
    )
    assert "it has not ended" in _told()["bund"]
    made.active = False
    made.save()
    assert _told() == {}


def test_old_reports_are_pruned_unless_they_have_not_ended():
    made = source("bund", platform="square")
    for state in ("done", "failed", "asking"):
        _report(made, state=state)
    old = timezone.now() - dt.timedelta(days=91)
    Reconciliation.objects.update(created_at=old)

    prune_old(reconciling.OLD, now=timezone.now())

    assert [each.state for each in Reconciliation.objects.all()] == ["asking"]
