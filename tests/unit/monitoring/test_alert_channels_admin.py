"""Channels in the admin: set up, tested, never shown."""

import json
import sys

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.urls import reverse
from django.utils import timezone
from django.views.debug import SafeExceptionReporterFilter

from neural.monitoring.admin.channel_form import ChannelForm
from neural.monitoring.alerts.channels import delivering
from neural.monitoring.alerts.sending import try_again
from neural.monitoring.checks import check_alert_links
from neural.monitoring.models import Alert, AlertChannel, AlertMessage, AlertMessageState
from tests.unit.admin import admin_world as world
from tests.unit.hooks.receiving import answering, receiver
from tests.unit.monitoring.alerting import PATHS, SECRET, TAKEN, alert, channel, told
from tests.unit.side_by_side import on_postgresql, while_uncommitted

pytestmark = pytest.mark.django_db

LIST = "admin:neural_monitoring_alertchannel_changelist"
ADD = "admin:neural_monitoring_alertchannel_add"
MAY = (
    "view_alertchannel",
    "add_alertchannel",
    "change_alertchannel",
    "view_alertmessage",
    "test_alert",
)


@pytest.fixture(autouse=True)
def _own_network(settings, fake_broker, monkeypatch):
    monkeypatch.setattr("neural.kit.outbound.client.resolved", resolved)
    monkeypatch.setattr(delivering, "TIMEOUT_SECONDS", 60)
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": True}


def resolved(host, port):
    return ["127.0.0.1" if host == "127.0.0.1" else "93.184.215.14"]


@pytest.fixture
def client():
    return world.client_of(*MAY)


@pytest.fixture
def server():
    with receiver() as running:
        yield running


def page_of(row):
    return reverse("admin:neural_monitoring_alertchannel_change", args=[row.pk])


def test_address(row):
    return reverse("admin:neural_monitoring_alertchannel_test", args=[row.pk])


test_address.__test__ = False


def form(kind="wecom", **fields):
    hosts = {
        "wecom": "https://qyapi.weixin.qq.com",
        "dingtalk": "https://oapi.dingtalk.com",
        "feishu": "https://open.feishu.cn",
        "webhook": "https://hooks.example",
    }
    url = hosts[kind] + PATHS[kind] if kind in hosts else ""
    return {
        "name": "night shift",
        "kind": kind,
        "enabled": "on",
        "least_severity": "warning",
        "language": "zh-hans",
        "addresses": "ops@chain.example" if kind == "email" else "",
        "url": url,
        "secret": SECRET if kind == "webhook" else "",
        **fields,
    }


def errors(response):
    return response.context["adminform"].form.errors


@pytest.mark.parametrize("kind", ["email", *sorted(TAKEN)])
def test_a_channel_of_each_kind_is_set_up_in_one_form(kind, client):
    response = client.post(reverse(ADD), form(kind))
    assert response.status_code == 302, errors(response)
    made = AlertChannel.objects.get()
    assert (made.kind, made.language) == (kind, "zh-hans")
    given = {name: form(kind)[name] for name in ("url", "secret")}
    assert made.secrets == {name: value for name, value in given.items() if value}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "wecom", "url": ""}, "url"),
        ({"kind": "wecom", "url": "https://evil.example/cgi-bin/webhook/send?key=1"}, "url"),
        ({"kind": "wecom", "url": "https://qyapi.weixin.qq.com.evil.example/?key=1"}, "url"),
        ({"kind": "wecom", "secret": "SECabc"}, "secret"),
        ({"kind": "dingtalk", "url": "https://open.feishu.cn/x"}, "url"),
        ({"kind": "webhook", "secret": ""}, "secret"),
        ({"kind": "webhook", "secret": "hunter2"}, "secret"),
        ({"kind": "webhook", "secret": "whsec_c2hvcnQ="}, "secret"),
        ({"kind": "webhook", "url": "ftp://hooks.example/"}, "url"),
        ({"kind": "email", "addresses": ""}, "addresses"),
        ({"kind": "email", "addresses": "ops@chain.example\nnobody"}, "addresses"),
        ({"kind": "email", "url": "https://hooks.example/"}, "url"),
        ({"kind": "feishu", "addresses": "a@b.example"}, "addresses"),
        ({"kind": "wecom", "language": "tlh"}, "language"),
    ],
)
def test_what_cannot_work_is_refused(fields, field, client):
    response = client.post(reverse(ADD), form(**fields))
    assert response.status_code == 200
    assert field in errors(response)
    assert not AlertChannel.objects.exists()
    assert "key=1" not in response.content.decode()


@pytest.mark.parametrize(("path", "ids"), [("/back/", ["neural_monitoring.W001"]), ("admin", [])])
def test_links_of_messages_that_miss_the_admin_are_checked(path, ids, settings):
    public = {"alert_public_url": "https://chain.example", "alert_admin_path": path}
    settings.NEURAL = {**settings.NEURAL, **public}
    assert [each.id for each in check_alert_links()] == ids


SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"


def test_a_superuser_sets_up_a_channel_of_apprise_whose_address_is_shown_nowhere():
    client = world.superuser()
    response = client.post(reverse(ADD), form("apprise", url=SLACK))
    assert response.status_code == 302, errors(response)
    made = AlertChannel.objects.get()
    assert made.secrets == {"url": SLACK}
    for address in (reverse(LIST), page_of(made)):
        shown = client.get(address).content.decode()
        assert "T1JJ3T3L2" not in shown
        assert "slack" in shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("json://127.0.0.1/x", "alert_apprise_schemes"),
        ("slack://nothing", "does not know"),
        ("https://hooks.slack.example/x", "alert_apprise_schemes"),
        ("", "Enter the address."),
        (f"{SLACK}?Rto=900&cto=1&footer=no", "Leave out cto, rto:"),
        (f"{SLACK}?verify=no", "Leave out verify:"),
    ],
)
def test_apprise_takes_addresses_that_it_knows_and_a_setting_allows(url, reason):
    response = world.superuser().post(reverse(ADD), form("apprise", url=url))
    assert reason in str(errors(response)["url"])


def test_without_apprise_a_channel_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    response = world.superuser().post(reverse(ADD), form("apprise", url=SLACK))
    assert "requirements-apprise.txt" in str(errors(response)["url"])


def test_others_than_superusers_neither_add_nor_change_a_channel_of_apprise(client):
    assert "kind" in errors(client.post(reverse(ADD), form("apprise", url=SLACK)))
    row = channel("apprise", url=SLACK)
    assert client.get(page_of(row)).status_code == 200
    assert client.post(page_of(row), {**form("apprise"), "name": "mine"}).status_code == 403
    assert AlertChannel.objects.get().name == "apprise"


def test_a_private_address_is_refused(client, settings):
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": False}
    response = client.post(reverse(ADD), form("webhook", url="https://127.0.0.1/x"))
    assert "url" in errors(response)


def test_a_setting_allows_other_hosts_for_robots(client, settings):
    settings.NEURAL = {**settings.NEURAL, "alert_robot_hosts": "gateway.example, Wecom.example"}
    url = "https://wecom.example/cgi-bin/webhook/send?key=1"
    assert client.post(reverse(ADD), form("wecom", url=url)).status_code == 302


@pytest.mark.parametrize("kind", sorted(TAKEN))
def test_no_page_shows_address_or_secret(kind, client):
    row = channel(kind, broken="93000: no")
    told(alert())
    key = PATHS[kind].replace("=", "/").rpartition("/")[2]
    for address in (page_of(row), reverse(LIST), f"{page_of(row)}?x=1"):
        shown = client.get(address, follow=True).content.decode()
        assert key not in shown
        assert SECRET not in shown
        assert "SECtest" not in shown


def test_an_empty_field_keeps_what_is_set(client):
    row = channel("feishu", broken="19021: sign match fail")
    before = row.secrets
    data = form("feishu", url="", secret="", name="renamed")
    assert client.post(page_of(row), data).status_code == 302
    row = AlertChannel.objects.get()
    assert (row.name, row.secrets) == ("renamed", before)
    assert row.broken  # nothing of its way was changed


@pytest.mark.parametrize(("before", "meanwhile"), [("", "93000: no"), ("93000: no", "")])
def test_a_change_leaves_what_workers_note_meanwhile(client, monkeypatch, before, meanwhile):
    row = channel("feishu", broken=before)

    def check(form, *entered):
        AlertChannel.objects.update(broken=meanwhile)

    monkeypatch.setattr(ChannelForm, "_check_secret", check)
    assert client.post(page_of(row), form("feishu", url="", name="renamed")).status_code == 302
    row = AlertChannel.objects.get()
    assert (row.name, row.broken) == ("renamed", meanwhile)


def test_a_changed_way_is_tried_anew_and_a_secret_can_be_deleted(client):
    row = channel("feishu", broken="19021: sign match fail")
    data = form("feishu", url="", secret="", no_secret="on")
    assert client.post(page_of(row), data).status_code == 302
    row = AlertChannel.objects.get()
    assert list(row.secrets) == ["url"]
    assert row.broken == ""


def test_a_secret_of_another_key_can_be_entered_again(client, settings):
    row = channel("feishu")
    settings.SECRET_KEY = "another"
    client.force_login(world.get_user_model().objects.get(username="lee"))
    assert client.get(page_of(row)).status_code == 200
    assert client.get(reverse(LIST)).status_code == 200
    response = client.post(page_of(row), form("feishu", url=""))
    assert "url" in errors(response)
    assert client.post(page_of(row), form("feishu")).status_code == 302
    assert AlertChannel.objects.get().secrets == {"url": form("feishu")["url"]}


# Who may


def test_users_of_some_stores_see_no_channel(client):
    row = channel()
    limited = world.client_of(*MAY, stores=[world.store()], name="kim")
    for address in (reverse(LIST), page_of(row), reverse(ADD)):
        assert limited.get(address).status_code in (302, 403)
    assert limited.post(test_address(row)).status_code in (302, 403)
    assert limited.get(reverse(LIST)).status_code == 403
    messages = reverse("admin:neural_monitoring_alertmessage_changelist")
    assert limited.get(messages).status_code == 403


def test_a_test_message_needs_its_permission_and_a_post(client):
    row = channel()
    viewer = world.client_of("view_alertchannel", name="kim")
    assert viewer.post(test_address(row)).status_code == 403
    assert client.get(test_address(row)).status_code == 405
    assert b"/test/" not in viewer.get(page_of(row)).content
    assert b"/test/" in client.get(page_of(row)).content
    assert not AlertMessage.objects.exists()


# Test messages


@pytest.mark.parametrize("kind", sorted(TAKEN))
def test_a_test_message_goes_at_once_and_its_answer_is_shown(kind, client, server):
    server.answers.append(answering(200, TAKEN[kind]))
    row = channel(kind, server.url(""), enabled=False, broken="93000: no")
    shown = client.post(test_address(row), follow=True).content.decode()
    assert "The test message was taken" in shown
    (got,) = server.got
    assert b"lee" in got.body or kind == "webhook"
    assert AlertMessage.objects.get().state == AlertMessageState.SENT
    assert AlertChannel.objects.get().broken == ""
    (entry,) = LogEntry.objects.all()
    assert (entry.user.username, "send a test message" in entry.change_message) == ("lee", True)


def test_a_refused_test_message_says_why_without_the_key(client, server):
    row = channel("dingtalk", server.url(""))
    refusal = {"errcode": 310000, "errmsg": f"sign not match {row.secrets['url']}"}
    server.answers.append(answering(200, json.dumps(refusal).encode()))
    shown = client.post(test_address(row), follow=True).content.decode()
    assert "310000: sign not match ***" in shown
    assert "The robot&#x27;s security settings refuse it" in shown
    assert "566cc69da782ec8f" not in shown
    assert AlertChannel.objects.get().broken


def test_a_test_message_that_fails_is_not_tried_again(client, server):
    server.answers.append(answering(500))
    row = channel("wecom", server.url(""))
    client.post(test_address(row))
    assert AlertMessage.objects.get().state == AlertMessageState.FAILED
    assert AlertChannel.objects.get().broken == ""


# Broken channels


def try_again_button(client, row, server):
    assert b"Try again" in client.get(page_of(row)).content
    client.post(reverse("admin:neural_monitoring_alertchannel_act", args=[row.pk, "try_again"]))
    assert LogEntry.objects.filter(change_message__contains="try again").exists()


def corrected(client, row, server):
    assert client.post(page_of(row), form("wecom", name="wecom")).status_code == 302


def sent_a_test(client, row, server):
    server.answers.append(answering(200, TAKEN["wecom"]))
    client.post(test_address(row))


@pytest.mark.parametrize("mended", [try_again_button, corrected, sent_a_test])
def test_a_channel_that_is_mended_is_told_what_still_holds(mended, client, server):
    """Also what was raised while it was broken, and nothing of what has ended or was taken on."""
    row = channel("wecom", server.url(""))
    holds, ended = alert(), alert(rule="disk", subject="", state="resolved")
    told(holds, ended)
    AlertMessage.objects.update(state=AlertMessageState.FAILED)
    row.mark_broken("93000: no")
    now = timezone.now()
    later = alert(subject="later", told_at=now)
    alert(subject="taken on", state="acknowledged", told_at=now)
    Alert.objects.filter(pk=holds.pk).update(told_at=now)
    mended(client, row, server)
    assert AlertChannel.objects.get().broken == ""
    content = AlertMessage.objects.pending().get().content
    assert [each["alert"] for each in content["alerts"]] == [holds.pk, later.pk]


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["people are told", "it is mended"])
def test_a_channel_that_is_mended_while_people_are_told_hears_of_it(first):
    row, raised = channel("wecom", broken="93000: no"), alert()
    now = timezone.now()

    def tell_people():
        Alert.objects.filter(pk=raised.pk).update(told_at=now)
        told(raised)

    both = [tell_people, lambda: try_again(row, now=now)]
    while_uncommitted(*(both if first == "people are told" else both[::-1]))

    assert AlertMessage.objects.pending().count() == 1


def test_a_channel_that_is_renamed_while_it_is_broken_is_told_nothing(client):
    row = channel("wecom", broken="93000: no")
    alert(told_at=timezone.now())
    client.post(page_of(row), form("wecom", url=""))
    assert not AlertMessage.objects.exists()


def set_up(client):
    assert client.post(reverse(ADD), form("wecom")).status_code == 302


def switched_on(client):
    row = channel("wecom", enabled=False)
    assert client.post(page_of(row), form("wecom", url="")).status_code == 302


@pytest.mark.parametrize("begun", [set_up, switched_on])
def test_an_alert_that_is_older_than_its_channel_reaches_it(begun, client):
    """Also one that it has not heard of because it was off; what is over is no news."""
    holds = alert(told_at=timezone.now())
    over = {"since": timezone.now().isoformat(), "facts": {}}
    alert(subject="over", told_at=timezone.now(), facts={"runs": 1, "over": over})
    begun(client)
    content = AlertMessage.objects.get().content
    assert [each["alert"] for each in content["alerts"]] == [holds.pk]


def test_a_channel_that_is_saved_again_is_not_told_again(client):
    alert(told_at=timezone.now())
    set_up(client)
    client.post(page_of(AlertChannel.objects.get()), form("wecom", url="", language="en"))
    assert AlertMessage.objects.count() == 1
    assert len(AlertMessage.objects.get().content["alerts"]) == 1


def test_a_report_of_an_error_does_not_show_what_was_entered(client, monkeypatch):
    def fails(url):
        raise RuntimeError("unexpected")

    monkeypatch.setattr("neural.kit.outbound.client.check_url", fails)
    requests = []

    def listen(sender, request, **more):
        requests.append(request)

    got_request_exception.connect(listen)
    client.raise_request_exception = False
    client.post(reverse(ADD), form("wecom"))
    posted = SafeExceptionReporterFilter().get_post_parameters(requests[0])
    assert (posted["name"], posted["url"]) == ("night shift", "********************")


# Messages


def test_messages_are_listed_with_state_answer_and_run(client):
    row = channel("wecom")
    told(alert())
    message = AlertMessage.objects.get()
    message.conclude(answer="HTTP 502: bad gateway")
    listed = reverse("admin:neural_monitoring_alertmessage_changelist")
    for query in ("", f"?channel={row.pk}", "?state=pending", f"?channel={row.pk}&state=pending"):
        shown = client.get(listed + query).content.decode()
        assert "No worker reads a queue: default" in shown, query
        assert "HTTP 502: bad gateway" in shown
    assert (
        "No worker reads a queue: default"
        not in client.get(f"{listed}?state=sent").content.decode()
    )
    detail = reverse("admin:neural_monitoring_alertmessage_change", args=[message.pk])
    shown = client.get(detail).content.decode()
    assert message.task_id in shown
    assert "3 due runs" in shown
