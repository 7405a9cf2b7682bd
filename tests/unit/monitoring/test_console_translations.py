"""The home in Chinese has no English words, but names and what nobody translates."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from neural.monitoring.console import home
from neural.monitoring.rollups.reading import Figures
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.test_console_home import (
    HOME,
    PROCESS,
    Viewer,
    alert,
    alerts,
    examined,
    figures,
    text_of,
    waits,
)

__all__ = ["alerts", "figures"]  # the fixtures

pytestmark = pytest.mark.django_db

NAMES = {
    *(
        "high_priority",
        "default",
        "low_priority",
        "w@h",
        "beat@h",
        "beat",
        "lee",
        "S2",
        "app.count",
    ),
    *("p50", "p95", "p99", "MB", "ms", "manage.py", "relay", "doctor"),
}


def english(html: str) -> set[str]:
    words = re.findall(r"[A-Za-z@][\w@.]*", re.sub(r"&#?\w+;", " ", text_of(html)))
    return set(words) - NAMES


def chinese_home(client, query: str = "") -> str:
    return client.get(f"{HOME}{query}", headers={"accept-language": "zh-hans"}).content.decode()


@pytest.mark.parametrize("seconds_ago", [4, 300])
@pytest.mark.parametrize("query", ["", "?span=day", "?span=week"])
def test_all_that_the_chain_sees(figures, alerts, query, seconds_ago):
    until = (timezone.now() + dt.timedelta(hours=1)).isoformat()
    pause = {"by": "lee", "reason": "", "until": until}
    queue = {"due": 5, "oldest_seconds": 9000, "readers": 0, "messages": 0, "paused": None}
    figures.minute = {("high_priority",): Figures(succeeded=5, failed=1, wait=waits(0.02, 5))}
    figures.hours = {None: figures.minute}
    figures.last["S2"] = dt.timedelta(hours=25)
    alerts.append(alert(title="告警", text="三个", taken_by="lee", acknowledge=""))
    alerts.append(alert(name="alert-8", title="告警", text="四个", remedy="重启"))
    processes = [PROCESS, PROCESS | {"lost": True}, PROCESS | {"kind": "beat", "name": "beat@h"}]
    queues = {"high_priority": queue, "low_priority": queue | {"paused": pause}}
    examined(seconds_ago=seconds_ago, facts={"queues": queues, "processes": processes})

    assert english(chinese_home(world.superuser(), query)) == set()


def test_all_that_a_store_sees(figures):
    figures.hours = {"S1": {("default",): Figures(submitted=5, succeeded=4, wait=waits(0.02, 5))}}
    broker = {"up": False, "address": "", "error": "", "driver": "redis"}
    examined(facts={"broker": broker})
    client = world.client_of("view_examination", stores=[world.store("S1")])

    assert english(chinese_home(client)) == set()


def test_an_empty_database(figures, monkeypatch):
    figures.minute, figures.events, figures.last, figures.counted = {}, {}, {}, None
    lists = {"neural_monitoring.errorgroup": "/groups/"}
    monkeypatch.setattr(Viewer, "lists", lists)
    monkeypatch.setattr(home, "open_groups", lambda user, most: 1 / 0)

    assert english(chinese_home(world.superuser())) == set()
