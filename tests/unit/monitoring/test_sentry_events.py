"""Sentry: one event for each new or reopened error group, without anything of a payload."""

import subprocess
import sys
from pathlib import Path

import pytest

from neural.monitoring.errors import sentry
from neural.monitoring.errors.sentry import report
from neural.monitoring.models import ErrorGroup
from tests.unit.factories import ago

sentry_sdk = pytest.importorskip("sentry_sdk")

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent():
    """The events that Sentry's SDK would send."""
    events: list[dict] = []

    def keep(event, hint):
        events.append(event)

    sentry_sdk.init("http://key@127.0.0.1:9/1", before_send=keep, default_integrations=False)
    yield events
    sentry_sdk.init(default_integrations=False)


def group(**fields) -> ErrorGroup:
    values = {
        "fingerprint": "f1",
        "exception": "decimal.InvalidOperation",
        "message": "amount … is no number",
        "frame": "app.orders.total",
        "first_at": ago(hours=1),
        "last_at": ago(),
    }
    return ErrorGroup.objects.create(**(values | fields))


def test_a_new_group_is_one_event_with_the_groups_fingerprint(sent):
    report([group()])

    (event,) = sent
    assert event["fingerprint"] == ["neural", "f1"]
    assert event["transaction"] == "app.orders.total"
    (exception,) = event["exception"]["values"]
    assert exception["type"] == "InvalidOperation"
    assert exception["module"] == "decimal"
    assert exception["value"] == "amount … is no number"
    assert event["tags"]["neural.reopened"] == "no"


def test_a_reopened_group_says_so(sent):
    report([group(reopened_at=ago())])

    assert sent[0]["tags"]["neural.reopened"] == "yes"


def test_set_up_as_documented_the_log_of_dead_runs_makes_no_events():
    """Sentry makes an event of each logged error: the guide's lines leave that to groups."""
    guide = Path("docs/reference/metrics.md").read_text().partition("**Error groups**")[2]
    lines = guide.partition("```python\n")[2].partition("```")[0]
    # In a process of its own: Sentry's integrations change Celery, Redis and logging for good.
    script = (
        "import logging\n"
        "events = []\n"
        "keep = lambda event, hint: events.append(event)\n"
        + lines.replace("dsn=...", "dsn='http://key@127.0.0.1:9/1', before_send=keep")
        + "for name in ('neural.ledger', 'celery.app.trace'):\n"
        "    logging.getLogger(name).error('event=run_dead error=phone')\n"
        "assert events == [], events\n"
        "logging.getLogger('app.orders').error('an error that is logged elsewhere')\n"
        "assert len(events) == 1, events\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_what_the_process_did_before_is_not_told(sent):
    sentry_sdk.add_breadcrumb(message="a guest's phone")
    sentry_sdk.set_user({"email": "guest@example.com"})

    report([group()])

    assert "guest" not in str(sent)


def test_a_process_without_sentry_tells_nothing(monkeypatch):
    sentry_sdk.init(default_integrations=False)
    report([group()])

    monkeypatch.delitem(sys.modules, "sentry_sdk")
    report([group(fingerprint="f2")])


def test_a_failure_of_the_sdk_stops_nobody(monkeypatch, caplog):
    def fail(groups):
        raise OSError("no network")

    monkeypatch.setattr(sentry, "_send", fail)

    report([group()])

    assert "event=error_groups_untold listener=sentry groups=1" in caplog.text
