"""Every page of the console, in Chinese, has no English text of ours: in no heading, label, hint,
button, cell or message."""

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from neural.models import Misfire, Overlap, ProcessKind, RunState, SchedulePolicy
from neural.monitoring.models import (
    Alert,
    AlertChannel,
    AlertMessage,
    AlertState,
    ErrorGroup,
    FailedRun,
    Severity,
)
from neural.monitoring.retention.runs import PRUNE_TASK
from neural.queues.pausing import pause
from neural.schedules.runs import run_id
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, held, make_run, make_worker
from tests.unit.schedules.beating import daily

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

SHOWN_ATTRIBUTES = ("title", "aria-label", "placeholder", "alt", "data-label")
WORD = re.compile(r"(?<![\w.@/=<'-])[A-Za-z][A-Za-z']+(?![\w.@/=>'-])")
NAMES = {
    *("beat", "relay", "worker", "default", "root", "lee", "host", "doctor", "nightly", "gone"),
    *("webhook", "Webhook", "WeCom", "Apprise", "key", "base", "IP", "id", "SECRET", "NUL"),
    *("JSON", "UTC"),
    *("MB", "GB", "ms", "min", "Neural", "neural", "django", "celery", "python", "Retention"),
    *("systemd", "up", "chen", "ValueError", "Celery", "whsec", "Django", "README", "webhooks"),
    *("CSV", "NDJSON"),
}
"""Names, units and what is typed: the same in every language."""


UNREAD = ("script", "style", "code", "pre", "kbd")
"""What stands in these is no sentence of ours."""
WRITTEN_OUT_BY_DJANGO = {"Search"}
"""The alternative text of the picture before a search box, which no catalogue can translate."""


class Texts(HTMLParser):
    """The texts of a page's content that people read or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag, attributes):
        if tag in UNREAD:
            self._skipped += 1
        given = dict(attributes)
        names = (
            *SHOWN_ATTRIBUTES,
            *(("value",) if (tag, given.get("type")) == ("input", "submit") else ()),
        )
        self.found += [given[name] for name in names if given.get(name)]

    def handle_endtag(self, tag):
        if tag in UNREAD:
            self._skipped -= 1

    def handle_data(self, data):
        if not self._skipped:
            self.found.append(data)


def english(html: str) -> dict[str, set[str]]:
    """The English words of a page, by the text in which they stand."""
    texts = Texts()
    texts.feed(html[html.index('id="content"') - 5 : html.rindex('id="footer"') - 10])
    found = {" ".join(text.split()): set(WORD.findall(text)) - NAMES for text in texts.found}
    return {
        text: words for text, words in found.items() if words and text not in WRITTEN_OUT_BY_DJANGO
    }


def chinese(address: str, client=None, **form) -> str:
    client = client or world.superuser()
    options = {"headers": {"accept-language": "zh-hans"}}
    answer = client.post(address, form, follow=True, **options) if form else None
    answer = answer or client.get(address, **options)
    assert answer.status_code == 200
    return answer.content.decode()


def page_of(model: str, row=None, app: str = "neural_monitoring") -> str:
    if row is None:
        return reverse(f"admin:{app}_{model}_changelist")
    return reverse(f"admin:{app}_{model}_change", args=[row if isinstance(row, int) else row.pk])


def test_words_are_found_in_texts_and_attributes_and_names_are_not():
    page = '<div id="content"><p title="Two words">排队 one <code>x y</code> beat</p></div>'
    found = english(f'{page}<div id="footer">')
    assert found == {"Two words": {"Two", "words"}, "排队 one": {"one"}}


def test_queues_paused_or_not():
    make_run(available_at=ago(minutes=30))
    pause(queue="default", by="lee", reason="盘点", until=timezone.now() + dt.timedelta(hours=1))
    client = world.superuser()
    address = page_of("queuepause", app="neural")

    assert english(chinese(address, client)) == {}
    wrong = reverse("admin:neural_queuepause_pause")
    assert english(chinese(wrong, client, queue="low_priority", minutes="0")) == {}


def test_workers_alive_silent_and_gone():
    working = make_worker("w@host", memory_bytes=5_000_000)
    held(working, task="app.bake")
    make_worker("slow@host", heartbeat_at=ago(minutes=5))
    make_worker("gone@host", lost_at=timezone.now())
    make_worker("b@host", kind=ProcessKind.BEAT)

    assert english(chinese(page_of("workerprocess", app="neural"))) == {}


def test_schedules_due_overdue_off_guarded_and_with_runs():
    PeriodicTask.objects.all().delete()
    task = {"task": "neural.tasks.analyse_demand"}
    row = PeriodicTask.objects.create(name="nightly", crontab=daily(2), **task)
    late = timezone.now() - dt.timedelta(days=3)
    PeriodicTask.objects.create(name="a1", crontab=daily(3), last_run_at=late, **task)
    PeriodicTask.objects.create(name="a2", crontab=daily(4), enabled=False, **task)
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    PeriodicTask.objects.create(name="a3", interval=every, task="app.plain", last_run_at=late)
    SchedulePolicy.objects.create(
        schedule_id=row.pk,
        overlap=Overlap.SKIP,
        misfire=Misfire.SKIP,
        skipped_at=late,
        skipped_why="overlap x",
    )
    make_run(RunState.DEAD, task_id=run_id(row.pk, late), finished_at=late, started_at=late)
    make_worker("b@host", kind=ProcessKind.BEAT, heartbeat_at=ago(minutes=9))
    client = world.superuser()
    one = page_of("schedulepolicy", row, "neural")

    assert english(chinese(page_of("schedulepolicy", app="neural"), client)) == {}
    assert english(chinese(one, client)) == {}
    asked = one.replace("change/", "run/")
    assert english(chinese(asked, client, **{"from": str(row.pk)})) == {}


def test_error_groups_open_muted_and_resolved():
    for number, state in enumerate(("open", "muted", "resolved")):
        run = make_run(RunState.DEAD, task="app.bake", store=world.store("S1"))
        group = ErrorGroup.objects.create(
            fingerprint=str(number),
            exception="ValueError",
            message="错误",
            frame="kitchen.bake",
            state=state,
            attempts=3,
            first_at=ago(days=1),
            last_at=ago(minutes=5),
        )
        attempt = run.attempts.create(
            outcome="failed", started_at=ago(minutes=5), finished_at=ago(minutes=5)
        )
        FailedRun.objects.create(
            run_id=run.pk, group=group, attempt_id=attempt.pk, failed_at=ago(minutes=5), dead=True
        )
        client = world.superuser()
        assert english(chinese(f"{page_of('errorgroup')}?state=all", client)) == {}
        assert english(chinese(page_of("errorgroup", group), client)) == {}
        act = page_of("errorgroup", group).replace("change/", "act/retry_runs/")
        assert english(chinese(act, client, go="1")) == {}


@pytest.mark.parametrize("state", AlertState.values)
def test_alerts(state):
    alert = Alert.objects.create(
        rule="beat_silent",
        facts={"seconds": 90},
        severity=Severity.CRITICAL,
        state=state,
        escalated_at=timezone.now(),
        flapping_at=timezone.now(),
        acknowledged_by="lee",
        resolved_at=timezone.now(),
    )
    client = world.superuser()

    assert english(chinese(f"{page_of('alert')}?state=all", client)) == {}
    if state != AlertState.PENDING:  # which nobody sees
        assert english(chinese(page_of("alert", alert), client)) == {}


def test_rules_channels_and_messages():
    client = world.superuser()
    channel = AlertChannel.objects.create(name="店长", kind="email", addresses="a@example.com")
    AlertMessage.objects.create(channel=channel, rule="beat_silent", answer="250")

    assert english(chinese(page_of("alertrule"), client)) == {}
    assert english(chinese(page_of("alertchannel"), client)) == {}
    assert english(chinese(page_of("alertchannel", channel), client)) == {}
    assert english(chinese(reverse("admin:neural_monitoring_alertchannel_add"), client)) == {}
    assert english(chinese(page_of("alertmessage"), client)) == {}


def test_retention_counted_and_deleted():
    client = world.superuser()
    page = reverse("admin:neural_monitoring_retention_changelist")
    for dry_run in (True, False):
        make_run(
            RunState.SUCCEEDED,
            task=PRUNE_TASK,
            kwargs={"dry_run": dry_run},
            result={"rows": {"succeeded": 4000, "error groups": 3}},
            finished_at=timezone.now(),
        )

    assert english(chinese(page, client)) == {}
