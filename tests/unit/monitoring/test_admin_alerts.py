"""People see the alerts that concern them, take them on, and set the rules."""

import datetime as dt
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from neural.health.findings import Finding, Status
from neural.monitoring.alerts import texts
from neural.monitoring.alerts.rules import RULES
from neural.monitoring.console.verdict import open_alerts
from neural.monitoring.examining import duty
from neural.monitoring.models import (
    Alert,
    AlertChannel,
    AlertMessage,
    AlertRule,
    AlertState,
    Examination,
    Severity,
)
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.alerting import channel, told

pytestmark = pytest.mark.django_db

LIST = "admin:neural_monitoring_alert_changelist"
RULE_LIST = "admin:neural_monitoring_alertrule_changelist"
RULE = "admin:neural_monitoring_alertrule_change"
SEE = ("view_alert", "view_alertrule")
ALL = (*SEE, "acknowledge_alert", "change_alertrule")


def an_alert(rule="beat_silent", **fields):
    fields.setdefault("facts", {"seconds": 90})
    fields.setdefault("severity", Severity.CRITICAL)
    return Alert.objects.create(rule=rule, **fields)


def of_store(code="S1", **fields):
    last = (timezone.now() - dt.timedelta(hours=1)).isoformat()
    facts = {"name": code, "last_at": last, "seconds": 3600, "usual": 30}
    return an_alert(
        "silent_store",
        subject=code,
        store_code=code,
        facts=facts,
        severity=Severity.WARNING,
        **fields,
    )


def acknowledge(client, alert, **data):
    address = reverse("admin:neural_monitoring_alert_act", args=[alert.pk, "acknowledge"])
    return client.post(address, data)


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def limited(*permissions, code="S1", **options):
    return world.client_of(*permissions, stores=[world.store(code)], **options)


def user_of(client):
    return get_user_model().objects.get(pk=client.session["_auth_user_id"])


def resolved(**fields):
    return {"state": AlertState.RESOLVED, "resolved_at": timezone.now(), **fields}


# The list


def test_the_list_shows_open_alerts_unless_others_are_asked_for():
    an_alert()
    of_store(state=AlertState.ACKNOWLEDGED, acknowledged_by="kim")
    an_alert("broker", facts={"found": {"en": "it is away"}}, **resolved())
    an_alert("disk", state=AlertState.PENDING)
    client = world.client_of(*SEE)
    shown = text_of(client.get(reverse(LIST)))
    assert "beat has not been heard of" in shown
    assert "A store is silent: S1" in shown
    assert "kim" in shown
    assert "it is away" not in shown
    assert len(client.get(reverse(LIST)).context["cl"].result_list) == 2
    assert "it is away" in text_of(client.get(reverse(LIST), {"state": "resolved"}))
    everything = text_of(client.get(reverse(LIST), {"state": "all"}))
    assert "it is away" in everything
    assert "beat has not been heard of" in everything


def test_the_list_is_filtered_by_rule_severity_and_period():
    an_alert(since=timezone.now() - dt.timedelta(days=2))
    of_store()
    client = world.client_of(*SEE)

    def rules(**chosen):
        rows = client.get(reverse(LIST), chosen).context["cl"].result_list
        return sorted(row.rule for row in rows)

    assert rules() == ["beat_silent", "silent_store"]
    assert rules(rule="beat_silent") == ["beat_silent"]
    assert rules(severity="warning") == ["silent_store"]
    assert rules(days="1") == ["silent_store"]
    assert rules(days="7", state="firing", severity="critical") == ["beat_silent"]
    assert rules(days="nonsense") == []


def test_the_list_pages_by_key_and_never_counts():
    for number in range(60):
        an_alert(subject=f"q{number}")
    client = world.client_of(*SEE)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        first = client.get(reverse(LIST)).context["cl"]
    assert len(first.result_list) == 50
    assert not any("COUNT(" in each["sql"] for each in queries)
    second = client.get(reverse(LIST) + first.older_url).context["cl"]
    assert len(second.result_list) == 10


# A page


def test_a_page_tells_the_history():
    now = timezone.now()
    alert = an_alert(
        since=now - dt.timedelta(hours=3),
        escalated_at=now - dt.timedelta(hours=2),
        flapping_at=now - dt.timedelta(hours=1),
    )
    channel = AlertChannel.objects.create(name="kitchen robot", kind="wecom")
    for about in (alert.pk, alert.pk + 1):
        content = {"alerts": [{"alert": about}]}
        AlertMessage.objects.create(
            channel=channel, rule="beat_silent", content=content, sent_at=now, state="sent"
        )
    client = world.superuser()
    assert acknowledge(client, alert).status_code == 302
    Alert.objects.update(**resolved(resolved_at=now + dt.timedelta(minutes=1)))
    page = text_of(client.get(world.page_of(alert)))
    steps = ["raised", "escalated", "found flapping", "acknowledged by root"]
    places = [page.index(step, page.index("<ol>")) for step in [*steps, "resolved: it was not"]]
    assert places[:3] == sorted(places[:3])
    assert places[-1] == max(places)
    assert page.count("kitchen robot</a>: sent") == 1
    assert reverse("admin:neural_schedulepolicy_changelist") in page


def test_an_alert_that_is_over_is_not_called_firing():
    over = {"since": timezone.now().isoformat(), "facts": {}}
    alert = an_alert(facts={"seconds": 90, "over": over})
    page = text_of(world.client_of(*SEE).get(world.page_of(alert)))
    assert ">over</span>" in page
    assert ">firing</span>" not in page
    assert "over since" in page


def told_part(alert, name):
    page = text_of(world.superuser().get(world.page_of(alert)))
    part = page[page.index(f"field-{name}") :]
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", part[part.index(">") : part.index("</div>")]))


def test_a_page_says_who_is_told_and_why_others_are_not():
    alert = an_alert(severity=Severity.WARNING)
    assert "nobody: no channel" in told_part(alert, "receivers")
    channel(name="boss", least_severity="critical")
    channel(name="night", enabled=False)
    channel(name="robot", broken="93000: no")
    shown = told_part(alert, "receivers")
    assert "nobody: no channel" in shown
    assert "boss : critical alerts alone" in shown
    assert "night : off" in shown
    assert "robot : broken: 93000: no There is no robot with this address" in shown
    channel(name="kitchen")
    assert "nobody" not in told_part(alert, "receivers")
    AlertRule.objects.create(name="beat_silent", muted_until=timezone.now() + dt.timedelta(hours=1))
    assert "the rule is muted" in told_part(alert, "receivers")


def test_a_page_says_who_was_told_and_what_each_has_answered():
    alert = an_alert()
    assert "nobody" in told_part(alert, "sent_messages")
    for name, state, answer in [("kitchen", "sent", "0: ok"), ("robot", "failed", "93000: no")]:
        AlertMessage.objects.create(
            channel=channel(name=name),
            rule="beat_silent",
            content={"alerts": [{"alert": alert.pk}]},
            state=state,
            answer=answer,
        )
    shown = told_part(alert, "sent_messages")
    assert "kitchen : sent – 0: ok" in shown
    assert "robot : failed – 93000: no There is no robot with this address" in shown


@pytest.mark.parametrize("rule", sorted(RULES.names()))
def test_where_to_look_is_a_page_that_exists_with_limits_that_it_knows(rule):
    alert = an_alert(rule, subject="default", facts={})
    address = texts.where_to_look(alert)
    assert not address or world.superuser().get(address).status_code == 200


def test_where_to_look_shows_the_very_rows():
    places = {
        "dead_letters": "?state=dead&period=all",
        "schedule_overdue": "?name=default",
        "failure_rate": "?work=default&tries=1",
        **dict.fromkeys(
            ["oldest_due", "no_worker", "stalled_queue", "relay_behind"], "?queue=default"
        ),
        "silent_store": "?store=default",
    }
    for rule, limits in places.items():
        assert texts.where_to_look(an_alert(rule, subject="default")).endswith(f"/{limits}")


def test_a_finding_shows_what_to_do():
    alert = an_alert(
        "finding",
        subject="stuck runs",
        facts={"found": {"en": "it is stuck"}, "remedy": {"en": "restart it"}},
    )
    assert "restart it" in text_of(world.client_of(*SEE).get(world.page_of(alert)))


def test_an_alerts_page_has_the_remedy_and_the_place_that_the_home_has():
    """Here a probe says it; of a silent store, the rule."""
    found = Finding(
        probe="workers", status=Status.PROBLEM, found="nobody reads night", remedy="start a worker"
    )
    stored = duty.as_json({"en": [found]})
    Examination.objects.create(pk=1, ended_at=timezone.now(), findings=stored, facts={})
    alert = an_alert("no_worker", subject="night", facts={"runs": 2, "seconds": 90})
    unread, silent = world.page_of(alert), world.page_of(of_store("S1"))

    client, operator = world.client_of(*SEE), limited(*SEE, name="kim")

    assert "start a worker" in text_of(client.get(unread))
    assert "?queue=night" in text_of(world.superuser().get(unread))
    for who in (client, operator):
        page = text_of(who.get(silent))
        assert "ask the store whether its till is on" in page
        assert "/neuralevent/?store=S1" in page


@pytest.mark.parametrize(
    ("of_work", "rows"),
    [(233, "?state=dead&period=all&work=trial.weigh"), (200, "?state=dead&period=all")],
)
def test_of_dead_runs_of_one_work_the_very_rows_are_shown(of_work, rows):
    facts = {"dead": 233, "seconds": 600, "work": "trial.weigh", "of_work": of_work}
    assert texts.where_to_look(an_alert("dead_letters", facts=facts)).endswith(f"/{rows}")


def test_a_list_to_which_an_alert_leads_says_that_it_has_no_such_rows():
    page = text_of(world.superuser().get(texts.where_to_look(of_store("S1"))))

    assert "No events match." in page
    assert '<a href="?">Show all</a>' in page


def test_an_alert_of_an_unknown_rule_or_with_other_facts_is_shown_by_its_names():
    gone = an_alert("of_an_app_that_is_gone", subject="x")
    newer = an_alert(facts={"minutes": 3})
    client = world.client_of(*SEE)
    assert "of_an_app_that_is_gone: x" in text_of(client.get(world.page_of(gone)))
    assert "Beat is silent" in text_of(client.get(world.page_of(newer)))


# Acknowledging


def test_who_may_takes_it_on_by_name_and_an_entry_stays():
    alert = an_alert()
    acknowledge(world.client_of(*ALL), alert)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "lee")
    (entry,) = LogEntry.objects.filter(object_id=str(alert.pk))
    assert entry.user.get_username() == "lee"
    assert "firing → acknowledged" in entry.change_message or "acknowledge" in str(entry)


def test_it_takes_the_permission_and_a_post():
    alert = an_alert()
    assert acknowledge(world.client_of(*SEE), alert).status_code == 403
    client = world.client_of(*ALL, name="kim")
    address = reverse("admin:neural_monitoring_alert_act", args=[alert.pk, "acknowledge"])
    assert client.get(address).status_code == 405
    alert.refresh_from_db()
    assert alert.state == "firing"
    assert not LogEntry.objects.exists()


def test_its_page_has_the_button_and_is_called_by_its_title():
    alert = an_alert()
    page = reverse("admin:neural_monitoring_alert_change", args=[alert.pk])
    answer = world.client_of(*ALL).get(page)
    assert b"act/acknowledge/" in answer.content
    assert "beat_silent" not in text_of(answer)
    viewer = world.client_of(*SEE, name="kim")
    assert b"act/acknowledge/" not in viewer.get(page).content


def test_a_user_of_stores_does_not_read_which_channels_were_told():
    alert = of_store()
    channel(name="night shift")
    told(alert)
    page = reverse("admin:neural_monitoring_alert_change", args=[alert.pk])
    assert "night shift" in text_of(world.client_of(*ALL).get(page))
    shown = text_of(limited(*ALL, name="kim").get(page))
    assert "raised" in shown
    assert "night shift" not in shown


def test_several_are_taken_on_from_the_list():
    alerts = [an_alert(subject=name) for name in "ab"]
    client = world.client_of(*ALL)
    data = {"action": "acknowledge", "_selected_action": [alert.pk for alert in alerts]}
    assert client.post(reverse(LIST), data).status_code == 302
    assert set(Alert.objects.values_list("acknowledged_by", flat=True)) == {"lee"}


def test_a_form_elsewhere_says_where_to_go_next_but_not_to_another_site():
    client = world.client_of(*ALL)
    home = reverse("admin:index")
    assert acknowledge(client, an_alert(), next=home).url == home
    alert = an_alert(subject="b")
    for elsewhere in ("https://evil.example/", "//evil.example"):
        assert acknowledge(client, alert, next=elsewhere).url == world.page_of(alert)


# Whose alerts


def test_a_user_of_stores_sees_and_takes_on_the_alerts_of_these_alone():
    mine, others, chain = of_store("S1"), of_store("S2"), an_alert()
    client = limited(*ALL)
    shown = text_of(client.get(reverse(LIST), {"state": "all"}))
    assert "silent: S1" in shown
    assert "silent: S2" not in shown
    assert "beat has not been heard of" not in shown
    assert "silent: S1" in text_of(client.get(reverse(LIST)))
    for alert in (others, chain):
        assert client.get(world.page_of(alert)).status_code == 302
        assert acknowledge(client, alert).status_code == 404
    assert acknowledge(client, mine).status_code == 302
    assert [each.title for each in open_alerts(user_of(client))] == ["A store is silent: S1"]
    assert not Alert.objects.exclude(pk=mine.pk).filter(state=AlertState.ACKNOWLEDGED).exists()


def test_who_sees_no_store_sees_no_alert():
    of_store()
    an_alert()
    client = world.client_of(*SEE)
    user = user_of(client)
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_every_store"))
    user = get_user_model().objects.get(pk=user.pk)
    assert open_alerts(user) == []


# For the home


def test_open_alerts_are_read_with_texts_links_and_what_the_user_may():
    old = an_alert(since=timezone.now() - dt.timedelta(days=1))
    taken = an_alert("broker", state=AlertState.ACKNOWLEDGED, acknowledged_by="kim", facts={})
    mild = of_store()
    an_alert("disk", **resolved())
    an_alert("no_worker", state=AlertState.PENDING)
    rows = open_alerts(user_of(world.client_of(*ALL)))
    assert [row.name for row in rows] == [f"alert-{each.pk}" for each in (taken, old, mild)]
    assert rows[1].title == "Beat is silent"
    assert rows[1].text.startswith("beat has not been heard of for 90 s")
    assert rows[1].link == world.page_of(old)
    assert (rows[2].subject, rows[2].store_code) == ("S1", "S1")
    assert rows[1].acknowledge
    assert not rows[0].acknowledge
    assert rows[0].taken_by == "kim"
    seer = user_of(world.client_of(*SEE, name="kim"))
    assert not any(row.acknowledge for row in open_alerts(seer))
    assert open_alerts(user_of(world.client_of(name="bo"))) == []


def test_reading_open_alerts_costs_the_same_however_many_there_are():
    user = user_of(world.client_of(*ALL))
    open_alerts(user)

    def queries():
        fresh = get_user_model().objects.get(pk=user.pk)
        with CaptureQueriesContext(connection) as asked:
            rows = open_alerts(fresh)
        return len(rows), len(asked)

    an_alert()
    _, few = queries()
    for number in range(60):
        of_store(f"S{number}")
    assert queries() == (50, few)


# The rules


def test_every_rule_is_listed_with_its_thresholds_and_title():
    page = text_of(world.client_of(*SEE).get(reverse(RULE_LIST)))
    for rule in RULES:
        assert str(rule.title) in page
        assert reverse(RULE, args=[rule.name]) in page
    assert "silent for (s): 60" in page


def save_rule(client, name="beat_silent", **fields):
    data = {"enabled": "on", "muted_until_0": "", "muted_until_1": "", **fields}
    return client.post(reverse(RULE, args=[name]), data)


def test_thresholds_are_typed_fields_and_an_empty_one_is_the_settings():
    client = world.client_of(*ALL)
    page = text_of(client.get(reverse(RULE, args=["beat_silent"])))
    assert 'name="threshold_beat_silent_seconds"' in page
    assert "Empty: 60, from the settings." in page
    assert save_rule(client, threshold_beat_silent_seconds="120.5").status_code == 302
    assert AlertRule.objects.get().thresholds == {"beat_silent_seconds": 120.5}
    assert 'value="120.5"' in text_of(client.get(reverse(RULE, args=["beat_silent"])))
    assert LogEntry.objects.get().user.get_username() == "lee"
    assert save_rule(client, threshold_beat_silent_seconds="").status_code == 302
    assert AlertRule.objects.get().thresholds == {}


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ("beat_silent", "beat_silent_seconds", "-1"),
        ("beat_silent", "beat_silent_seconds", "soon"),
        ("beat_silent", "beat_silent_seconds", "nan"),
        ("failure_rate", "failure_rate", "1.5"),
        ("disk", "disk_free_percent", "101"),
        ("beat_silent", "beat_silent_seconds", "1e300"),
        ("dead_letters", "dead_letters", "0"),
        ("dead_letters", "dead_letters_seconds", "1"),
        ("dead_letters", "dead_letters_seconds", "700000"),
        ("failure_rate", "failure_rate", "0"),
        ("failure_rate", "failure_rate_attempts", "0"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(rule, field, value):
    answer = save_rule(world.client_of(*ALL), rule, **{f"threshold_{field}": value})
    assert answer.status_code == 200
    assert "errorlist" in text_of(answer)
    assert not AlertRule.objects.exists()


def test_a_rule_that_cannot_tell_what_it_found_hides_no_page():
    Alert.objects.create(
        rule="failure_rate",
        subject="app.count",
        severity="warning",
        facts={"failed": 0, "attempts": 0, "seconds": 600},
    )
    answer = world.client_of(*ALL).get(reverse("admin:neural_monitoring_alert_changelist"))
    assert "Many attempts fail: app.count" in text_of(answer)


def test_a_rule_is_switched_off_and_muted_for_a_time():
    client = world.client_of(*ALL)
    save_rule(client, muted_until_0="2026-03-04", muted_until_1="12:00:00", enabled="")
    rule = AlertRule.objects.get()
    assert not rule.enabled
    assert rule.muted_until is not None
    assert "2026-03-04" in text_of(client.get(reverse(RULE_LIST)))


def test_who_may_only_view_rules_changes_nothing():
    client = world.client_of(*SEE)
    page = text_of(client.get(reverse(RULE, args=["beat_silent"])))
    assert "silent for (s): 60" in page
    assert 'name="threshold_beat_silent_seconds"' not in page
    assert save_rule(client, threshold_beat_silent_seconds="1").status_code == 403
    assert not AlertRule.objects.exists()


def test_a_user_of_stores_neither_sees_nor_changes_rules():
    client = limited(*ALL)
    assert client.get(reverse(RULE_LIST)).status_code == 403
    assert client.get(reverse(RULE, args=["beat_silent"])).status_code in (302, 403)
    assert save_rule(client, threshold_beat_silent_seconds="1").status_code in (302, 403)
    assert not AlertRule.objects.exists()


def test_rules_are_neither_added_nor_deleted_and_an_unknown_one_has_no_page():
    client = world.superuser()
    AlertRule.objects.create(name="beat_silent")
    assert client.get(reverse("admin:neural_monitoring_alertrule_add")).status_code == 403
    delete = reverse("admin:neural_monitoring_alertrule_delete", args=["beat_silent"])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert client.get(reverse(RULE, args=["nonsense"])).status_code == 302


def test_the_pages_of_rules_lead_to_pages_that_exist():
    for rule in RULES:
        if rule.page and rule.page != "neural_queuepause_changelist":
            reverse(f"admin:{rule.page}")


def test_no_page_holds_a_style_or_a_script_of_its_own():
    alert = an_alert()
    client = world.client_of(*ALL)
    for address in (
        reverse(LIST),
        world.page_of(alert),
        reverse(RULE_LIST),
        reverse(RULE, args=["disk"]),
    ):
        content = text_of(client.get(address)).split('id="content"', 1)[-1]
        assert "style=" not in content
        assert "onclick=" not in content
