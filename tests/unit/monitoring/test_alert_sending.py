"""People are told of alerts: once, in time, and whatever is down."""

import datetime as dt
import json
import logging
import threading
from dataclasses import replace

import pytest
from celery import current_app
from django.core import mail
from django.db import connection
from django.db.models import F
from django.utils import timezone, translation

import neural
from neural.kit.sites import page_of
from neural.models import RunState, TaskRun
from neural.monitoring.alerts import sending, texts
from neural.monitoring.alerts.channels import delivering
from neural.monitoring.alerts.connecting import alert_channels
from neural.monitoring.alerts.news import SEND_TASK
from neural.monitoring.models import Alert, AlertChannel, AlertMessage, AlertMessageState
from tests.unit.hooks.receiving import answering, is_signed, receiver
from tests.unit.monitoring.alerting import TAKEN, alert, channel, only, told

pytestmark = pytest.mark.django_db

SENT, PENDING, FAILED = AlertMessageState.SENT, AlertMessageState.PENDING, AlertMessageState.FAILED
HTTP = pytest.mark.parametrize("kind", sorted(TAKEN))


@pytest.fixture(autouse=True)
def _own_network(settings, fake_broker, monkeypatch):
    """Loopback is allowed, so that the server of the test can be reached, and it has time."""
    monkeypatch.setattr(delivering, "TIMEOUT_SECONDS", 60)
    settings.NEURAL = {
        **settings.NEURAL,
        "outbound_private_addresses": True,
        "alert_public_url": "https://chain.example",
    }


@pytest.fixture
def server():
    with receiver() as running:
        yield running


def url_of(server):
    return server.url("")


def passes(**span):
    """Let time pass: every time in the rows is so much longer ago."""
    past = dt.timedelta(**span)
    TaskRun.objects.update(available_at=F("available_at") - past)
    AlertMessage.objects.update(
        **{
            name: F(name) - past
            for name in ("created_at", "due_at", "attempted_at", "sending_until")
        }
    )


def run_due():
    return [each for each in neural.run_due() if each.run.task == SEND_TASK]


def titles(server):
    """The titles that arrived at a DingTalk robot."""
    return [json.loads(each.body)["markdown"]["title"] for each in server.got]


# The way of a message


@HTTP
def test_a_message_goes_to_its_channel_by_a_run(kind, server):
    server.answers.append(answering(200, TAKEN[kind]))
    channel(kind, url_of(server))
    told(alert())

    (outcome,) = run_due()

    assert outcome.state == RunState.SUCCEEDED
    (got,) = server.got
    assert b"No worker reads a queue: default" in got.body
    message = only()
    assert (message.state, message.attempts, message.sending_until) == (SENT, 1, None)
    assert message.task_id == outcome.run.task_id


def test_a_run_holds_nothing_but_the_messages_id(server):
    channel("wecom", url_of(server))
    told(alert())
    run = TaskRun.objects.get()
    assert (run.args, run.kwargs) == ([], {"message_id": only().message_id})
    assert run.queue == "default"


def test_a_channel_gets_its_own_language(server):
    channel("dingtalk", url_of(server), language="zh-hans")
    raised = alert(severity="critical")
    told(raised)
    with translation.override("zh-hans"):
        assert only().content["alerts"][0]["title"] == texts.title(raised)
    run_due()
    (got,) = server.got
    assert got.path.startswith("/robot/send?access_token=")


def test_alert_and_all_clear_begin_with_the_same_word(server):
    server.answers += [answering(200, TAKEN["dingtalk"])] * 2
    channel("dingtalk", url_of(server))
    found = alert(severity="critical")
    told(found)
    run_due()
    passes(minutes=2)
    told(found, what="resolved")
    run_due()
    first, second = titles(server)
    assert first == "Alert · critical: No worker reads a queue: default"
    assert second == "Alert · resolved: No worker reads a queue: default"


def test_a_channel_for_critical_alerts_gets_no_warnings():
    channel(least_severity="critical")
    told(alert())
    assert not AlertMessage.objects.exists()
    told(alert(subject="urgent", severity="critical"))
    assert only().content["alerts"][0]["subject"] == "urgent"


@pytest.mark.parametrize("fields", [{"enabled": False}, {"broken": "93000: no"}])
def test_a_channel_that_is_off_or_broken_gets_nothing(fields):
    channel(**fields)
    told(alert())
    assert not AlertMessage.objects.exists()


def test_a_message_leads_to_the_page_of_its_alert(server):
    channel("feishu", url_of(server))
    told(alert())
    link = only().content["alerts"][0]["link"]
    assert link == "https://chain.example" + page_of(Alert, Alert.objects.get().pk)


# At most one a minute


def test_of_a_rule_a_channel_gets_one_message_a_minute_and_nothing_is_lost(server):
    server.answers += [answering(200, TAKEN["dingtalk"])] * 3
    channel("dingtalk", url_of(server))
    now = timezone.now()
    told(alert(subject="a"), now=now)
    run_due()
    told(alert(subject="b"), now=now)
    told(alert(subject="c"), alert(subject="d"), now=now + dt.timedelta(seconds=20))
    assert run_due() == []
    assert AlertMessage.objects.count() == 2

    passes(seconds=61)
    run_due()

    first, summary = titles(server)
    assert first == "Alert · warning: No worker reads a queue: a"
    assert summary == "Alert · warning: No worker reads a queue: b, and 2 more"
    shown = json.loads(server.got[1].body)["markdown"]["text"]
    assert all(f"No worker reads a queue: {subject}" in shown for subject in "bcd")


def test_a_message_of_several_is_named_for_the_most_urgent(server):
    server.answers.append(answering(200, TAKEN["dingtalk"]))
    channel("dingtalk", url_of(server))
    told(alert(subject="a"), alert(subject="b", severity="critical"))
    run_due()
    assert titles(server) == ["Alert · critical: No worker reads a queue: b, and 1 more"]


def test_another_rule_and_another_channel_do_not_wait(server):
    server.answers += [answering(200, TAKEN["dingtalk"])] * 4
    channel("dingtalk", url_of(server))
    channel("dingtalk", url_of(server), name="second")
    told(alert(), alert(rule="disk", subject=""))
    assert len(run_due()) == 4
    assert len(server.got) == 4


def test_a_retried_message_and_a_newer_one_keep_the_minute_between_them(server):
    server.answers += [answering(500), answering(200, TAKEN["dingtalk"])]
    channel("dingtalk", url_of(server))
    told(alert(subject="a"))
    run_due()  # it failed
    told(alert(subject="b"))
    passes(seconds=30)
    run_due()  # the first again
    passes(seconds=35)  # the second would be due by its own time
    run_due()
    assert titles(server) == ["Alert · warning: No worker reads a queue: a"] * 2
    passes(seconds=61)
    run_due()
    assert titles(server)[2:] == ["Alert · warning: No worker reads a queue: b"]


def test_an_all_clear_does_not_overtake_the_alert_that_it_ends(server):
    """Or people would read last that something is wrong."""
    busy = b'{"errcode":130101,"errmsg":"too fast"}'
    server.answers += [answering(200, busy), *[answering(200, TAKEN["dingtalk"])] * 2]
    channel("dingtalk", url_of(server))
    row = alert()
    told(row)
    run_due()  # it is to wait for ten minutes
    passes(seconds=70)
    told(row, what="resolved")
    run_due()
    assert len(server.got) == 1
    for _ in range(2):
        passes(seconds=601)
        run_due()
    assert ["resolved" in each for each in titles(server)] == [False, False, True]


def test_more_news_than_a_message_holds_is_counted():
    channel()
    told(*(alert(rule="silent_store", subject=f"S{number}") for number in range(60)))
    told(*(alert(rule="silent_store", subject=f"T{number}") for number in range(5)))
    content = only().content
    assert (len(content["alerts"]), content["left_out"]) == (50, 15)


# Answers


@HTTP
def test_a_server_that_fails_gets_the_message_again_with_the_same_id(kind, server):
    server.answers += [answering(503), answering(200, TAKEN[kind])]
    channel(kind, url_of(server))
    told(alert())
    (failed,) = run_due()
    assert (failed.state, only().state) == (RunState.PENDING, PENDING)
    assert "HTTP 503" in failed.error
    passes(minutes=1)
    run_due()
    assert (only().state, only().attempts) == (SENT, 2)
    if kind == "webhook":
        first, second = server.got
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == only().message_id
        assert is_signed(second, channel_secret())


def channel_secret():
    return AlertChannel.objects.get().secrets["secret"]


@pytest.mark.parametrize(
    ("kind", "answer", "seconds"),
    [
        ("wecom", answering(200, b'{"errcode":45009,"errmsg":"freq"}'), 60),
        ("dingtalk", answering(200, b'{"errcode":130101,"errmsg":"too fast"}'), 600),
        ("feishu", answering(400, b'{"code":11232,"msg":"frequency limited"}'), 60),
        ("webhook", answering(429, Retry_After="77"), 77),
        ("webhook", answering(503, Retry_After="78"), 78),
    ],
)
def test_a_busy_platform_is_left_alone_for_as_long_as_it_wants(kind, answer, seconds, server):
    server.answers.append(answer)
    channel(kind, url_of(server))
    told(alert())
    (outcome,) = run_due()
    assert outcome.state == RunState.PENDING
    run = TaskRun.objects.get()
    assert run.failures == 0
    wait = (run.available_at - timezone.now()).total_seconds()
    assert seconds - 30 < wait <= seconds + 5
    assert AlertChannel.objects.get().broken == ""


@pytest.mark.parametrize(
    ("kind", "answer", "why"),
    [
        ("wecom", b'{"errcode":93000,"errmsg":"invalid webhook url"}', "93000"),
        ("dingtalk", b'{"errcode":310000,"errmsg":"keywords not in content"}', "310000"),
        ("feishu", b'{"code":19021,"msg":"sign match fail"}', "19021"),
    ],
)
def test_a_channel_that_is_set_up_wrongly_is_broken_and_not_tried_again(kind, answer, why, server):
    server.answers.append(answering(200, answer))
    channel(kind, url_of(server))
    told(alert())
    (outcome,) = run_due()
    assert outcome.state == RunState.SUCCEEDED  # a dead run would be an alert itself
    assert only().state == FAILED
    assert AlertChannel.objects.get().broken.startswith(f"{why}: ")
    passes(hours=1)
    told(alert(subject="x"))
    run_due()
    assert len(server.got) == 1
    assert alert_channels(None).status == "problem"


def test_messages_that_wait_for_a_channel_which_breaks_are_not_sent(server):
    server.answers.append(answering(200, b'{"errcode":93000,"errmsg":"no"}'))
    channel("wecom", url_of(server))
    told(alert(), alert(rule="disk", subject=""))
    run_due()
    assert len(server.got) == 1
    assert {each.state for each in AlertMessage.objects.all()} == {FAILED}


def test_a_message_that_fails_for_hours_is_given_up(server):
    server.answers += [answering(500)] * 2
    channel("wecom", url_of(server))
    told(alert())
    run_due()
    passes(hours=7)
    (outcome,) = run_due()
    assert outcome.state == RunState.SUCCEEDED
    assert (only().state, only().answer) == (FAILED, "HTTP 500")


def test_a_redirect_is_not_followed(server):
    server.answers.append(answering(302, Location=server.url("/elsewhere")))
    channel("webhook", url_of(server))
    told(alert())
    run_due()
    assert [each.path for each in server.got] == ["/receive/t0kentoken"]
    assert only().state == PENDING


def test_a_private_address_is_refused(server, settings):
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": False}
    channel("webhook", "https://127.0.0.1")
    told(alert())
    run_due()
    assert server.got == []
    assert AlertChannel.objects.get().broken.startswith("address_refused: ")


def test_a_host_that_is_not_known_may_be_known_later(monkeypatch):
    def unknown(host, port):
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr("neural.kit.outbound.client.resolved", unknown)
    channel("webhook", "https://hooks.example")
    told(alert())
    run_due()
    assert (only().state, AlertChannel.objects.get().broken) == (PENDING, "")


def test_a_secret_of_another_key_breaks_the_channel(settings):
    channel("webhook")
    settings.SECRET_KEY = "another"
    told(alert())
    run_due()
    assert AlertChannel.objects.values_list("broken", flat=True).get() == "secret_unreadable"
    assert only().answer == "secret_unreadable"


# Secrets


@HTTP
@pytest.mark.parametrize("how", ["echoed", "raised", "refused"])
def test_neither_address_nor_secret_is_in_any_log_row_or_traceback(
    kind, how, server, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    made = channel(kind, url_of(server))
    secrets = made.secrets
    key = secrets["url"].replace("=", "/").rpartition("/")[2]
    if how == "echoed":
        server.answers.append(answering(200, json.dumps({**secrets, "errcode": "?"}).encode()))
    elif how == "refused":
        server.answers.append(
            answering(200, json.dumps({"errcode": 93000, "errmsg": secrets["url"]}).encode())
        )
    else:

        def broken(*args, **kwargs):
            raise RuntimeError(f"cannot post to {args} with {secrets}")

        monkeypatch.setattr("neural.kit.outbound.outbox.request", broken)
    told(alert())
    outcomes = run_due()
    kept = [
        caplog.text,
        *(str(each.traceback) + str(each.error) for each in outcomes),
        *(str(row) for row in TaskRun.objects.values_list("kwargs", "result", "error")),
        *AlertMessage.objects.values_list("answer", flat=True),
        *AlertChannel.objects.values_list("broken", flat=True),
    ]
    assert only().attempts == 1
    for text in kept:
        assert key not in text
        assert not secrets["secret"] or secrets["secret"] not in text


def test_telling_an_alert_loads_no_addresses_of_the_project(server, monkeypatch):
    """With them come admin and API, which no relay needs."""
    run_due()  # the first in a process loads all, for the checks that a worker's start runs
    monkeypatch.setattr("django.urls.base.get_resolver", lambda *urlconf: pytest.fail("loaded"))
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    raised = alert()
    told(raised)
    run_due()
    link = f"https://chain.example/admin/neural_monitoring/alert/{raised.pk}/change/"
    assert only().content["alerts"][0]["link"] == link
    assert link in server.got[0].body.decode()


# Apprise


@pytest.mark.parametrize(("status", "state"), [(200, SENT), (500, PENDING)])
def test_apprise_sends_what_its_service_takes_and_names_no_address(
    status, state, server, settings, caplog
):
    caplog.set_level(logging.DEBUG, logger="neural")
    settings.NEURAL = {**settings.NEURAL, "alert_apprise_schemes": "slack, json"}
    server.answers.append(answering(status))
    channel("apprise", url_of(server).replace("http://", "json://user:keyofours@"))
    told(alert(severity="critical"))

    run_due()

    (got,) = server.got
    sent = json.loads(got.body)
    assert sent["title"] == "Alert · critical: No worker reads a queue: default"
    assert sent["type"] == "failure"
    assert "no worker reads default" in sent["message"]
    assert only().state == state
    assert only().answer == ("sent" if state == SENT else "not_taken")
    assert "keyofours" not in caplog.text


def test_no_address_of_apprise_says_how_long_it_is_waited_or_leaves_certificates_unverified(
    server, settings
):
    """Also one that was entered when it could."""
    settings.NEURAL = {**settings.NEURAL, "alert_apprise_schemes": "json"}
    address = url_of(server).replace("http:", "json:")

    service, _why = delivering.apprise_service(f"{address}?rto=900&CTO=800&verify=no")

    assert (service.request_timeout, service.verify_certificate) == ((4.0, 4.0), True)


def test_what_apprise_may_not_send_breaks_the_channel(server):
    channel("apprise", url_of(server).replace("http:", "json:"))
    told(alert())
    run_due()
    assert (server.got, AlertChannel.objects.get().broken) == ([], "scheme_refused")


# E-mail


@pytest.fixture
def server_of_mail(settings):
    """Django's settings for e-mail are there; what is sent is in ``mail.outbox``."""
    settings.DEFAULT_FROM_EMAIL = "Zhilian <neural@chain.example>"


def test_an_email_tells_programs_not_to_answer_and_what_belongs_together(server_of_mail):
    channel("email", language="zh-hans")
    found = alert()
    told(found)
    run_due()
    passes(minutes=2)
    told(found, what="resolved")
    passes(minutes=2)
    told(alert(rule="disk", subject=""))
    run_due()
    first = mail.outbox[0]
    assert first.to == ["ops@chain.example", "boss@chain.example"]
    headers = [each.message() for each in mail.outbox]
    assert {each["Auto-Submitted"] for each in headers} == {"auto-generated"}
    assert len({each["Message-ID"] for each in headers}) == 3
    threads = {each["Subject"]: each["References"] for each in headers}
    assert len(set(threads.values())) == 2
    assert headers[0]["References"] in [each["References"] for each in headers[1:]]
    assert "\n" not in first.subject


def test_an_email_is_not_sent_without_the_projects_settings(settings, monkeypatch):
    settings.EMAIL_BACKEND = delivering._SMTP
    channel("email")
    told(alert())
    run_due()
    broken = AlertChannel.objects.get().broken
    assert broken == "mail_not_set_up: EMAIL_HOST, DEFAULT_FROM_EMAIL"


@pytest.mark.parametrize(
    ("error", "state", "is_broken"),
    [
        (delivering.smtplib.SMTPAuthenticationError(535, b"no"), FAILED, True),
        (delivering.smtplib.SMTPRecipientsRefused({"a@b": (550, b"no such user")}), FAILED, True),
        (delivering.smtplib.SMTPRecipientsRefused({"a@b": (451, b"greylisted")}), PENDING, False),
        (delivering.smtplib.SMTPServerDisconnected("gone"), PENDING, False),
        (TimeoutError(), PENDING, False),
    ],
)
def test_a_mail_servers_refusal_is_permanent_or_not(
    error, state, is_broken, server_of_mail, monkeypatch
):
    def refuse(self, messages):
        raise error

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    channel("email")
    told(alert())
    run_due()
    assert only().state == state
    assert bool(AlertChannel.objects.get().broken) is is_broken


# From the relay's thread


@pytest.fixture
def relay(time_that):
    """A relay's sender; ``relay()`` takes a turn and waits for what it has started."""
    sender = sending.Sender()

    def turn():
        time_that.passes(sending.EVERY_SECONDS)
        sender.turn()
        sender.wait(60)
        sender.turn()

    turn.sender = sender
    return turn


def test_with_the_broker_down_the_relay_sends_and_the_late_run_does_nothing(
    server, relay, fake_broker
):
    fake_broker.away = True
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    told(alert())
    relay()
    assert server.got == []  # the run may still come
    passes(seconds=31)

    relay()

    assert (only().state, len(server.got)) == (SENT, 1)
    (outcome,) = run_due()
    assert outcome.value == {"sent": False, "reason": "it was sent or given up before"}
    assert len(server.got) == 1


def test_of_several_relays_and_a_run_one_sends(server, relay):
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    (attempt,) = sending._taken()
    relay()
    (outcome,) = run_due()
    assert (outcome.state, server.got) == (RunState.PENDING, [])
    sending.conclude(attempt.message, attempt.perform(now=timezone.now()), now=timezone.now())
    assert (only().state, len(server.got)) == (SENT, 1)


def test_a_relay_that_is_killed_while_it_sends_leaves_the_message_to_another(server, relay):
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    assert sending._taken()
    relay()
    assert server.got == []
    passes(seconds=sending.RELAY_LEASE.total_seconds() + 1)
    relay()
    assert only().state == SENT


def test_a_slow_server_stalls_no_turn_of_the_relay(server, time_that):
    arrived, go_on = threading.Event(), threading.Event()

    def slowly(handler):
        arrived.set()
        go_on.wait(60)
        answering(200, TAKEN["wecom"])(handler)

    server.answers.append(slowly)
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    sender = sending.Sender()
    sender.turn()
    assert arrived.wait(60)
    for _ in range(3):
        time_that.passes(60)
        sender.turn()
    assert only().state == PENDING
    go_on.set()
    sender.wait(60)
    sender.turn()
    assert only().state == SENT


def test_the_thread_has_no_database_connection(server, relay, monkeypatch):
    """A fork would copy one of SQLite in the middle of a statement."""
    seen = []
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    perform = sending.Attempt.perform

    def watched(self, **kwargs):
        judged = perform(self, **kwargs)
        seen.append((threading.current_thread().name, connection.connection))
        return judged

    monkeypatch.setattr(sending.Attempt, "perform", watched)
    relay()
    assert seen == [("neural-alerts", None)]


def test_a_turn_without_late_messages_costs_one_statement(relay, django_assert_num_queries):
    with django_assert_num_queries(1):
        relay()


def test_a_message_whose_run_was_cancelled_is_sent_by_the_relay(server, relay):
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    told(alert())
    assert TaskRun.objects.get().cancel()
    passes(seconds=31)
    relay()
    assert only().state == SENT


def test_a_relay_goes_on_when_a_channel_was_deleted_while_it_was_sent_to(server, relay):
    server.answers += [answering(200, TAKEN["wecom"])] * 2
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    relay.sender.turn()
    relay.sender.wait(60)
    AlertChannel.objects.all().delete()
    relay()

    channel("wecom", url_of(server))
    told(alert(subject="x"))
    passes(seconds=31)
    relay()
    assert only().state == SENT


def test_a_message_that_cannot_be_written_holds_up_no_other(server, relay):
    server.answers.append(answering(200, TAKEN["wecom"]))
    channel("wecom", url_of(server))
    told(alert(rule="disk", subject=""), alert())
    unfit = {"alerts": [{"of": "another version"}], "left_out": 0}
    AlertMessage.objects.filter(rule="disk").update(content=unfit)
    passes(seconds=31)
    relay()
    assert AlertMessage.objects.get(rule="no_worker").state == SENT
    assert AlertMessage.objects.get(rule="disk").state == PENDING
    passes(hours=7)
    relay()
    assert AlertMessage.objects.get(rule="disk").state == FAILED


def test_a_failure_in_the_relay_is_tried_again_later_and_not_at_once(server, relay):
    server.answers += [answering(500), answering(200, TAKEN["wecom"])]
    channel("wecom", url_of(server))
    told(alert())
    passes(seconds=31)
    relay()
    relay()
    assert len(server.got) == 1
    passes(seconds=60)
    relay()
    assert (len(server.got), only().state) == (2, SENT)


def test_the_task_knows_its_policy():
    task = current_app.tasks[SEND_TASK]
    assert task.retry_policy == replace(sending.RETRIES)
    assert task.retry_policy.max_retries is None
