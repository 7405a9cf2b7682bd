"""Each reader of the console gets links that open, and nothing of what others alone may see."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from neural.models import RunState, WorkerProcess
from neural.monitoring.models import Alert, Examination, Severity
from neural.queues.pausing import pause
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

HOME, WORKERS = "/admin/", "/admin/neural/workerprocess/"
QUEUES, RETENTION = "/admin/neural/queuepause/", "/admin/neural_monitoring/retention/"
ALERTS, GROUPS = "/admin/neural_monitoring/alert/", "/admin/neural_monitoring/errorgroup/"
PAGES = (HOME, WORKERS, QUEUES, RETENTION, ALERTS, GROUPS, "/admin/neural/schedulepolicy/")
CONSOLE = (
    "view_examination",
    "view_errorgroup",
    "view_queuepause",
    "view_alert",
    "view_retention",
    "view_workerprocess",
)
RULES = ("oldest_due", "dead_letters", "no_worker", "beat_silent", "index_behind")
RULES += ("training_failed", "failure_rate", "disk", "broker")


@pytest.fixture(autouse=True)
def happenings() -> None:
    """A worker with a run of each of two stores, a paused queue, and alerts of every rule."""
    now = timezone.now()
    worker = WorkerProcess.objects.create(name="w@h", host="h", process_id=1)
    for code in ("S1", "S2"):
        work = {"task": f"work.of_{code}", "worker": worker}
        world.run(RunState.RUNNING, task_id=code, store=world.store(code), **work)
        _alert("silent_store", subject=code, store_code=code)
    for rule in RULES:
        _alert(rule, subject="kitchen")
    pause(queue="default", reason="stocktaking", by="root")
    queue = {"due": 3, "oldest_seconds": 5, "readers": 1, "messages": 0, "paused": None}
    Examination.objects.update_or_create(
        pk=1,
        defaults={"ended_at": now, "findings": {}, "facts": {"queues": {"kitchen": queue}}},
    )


def _alert(rule: str, **fields: Any) -> Alert:
    now = timezone.now()
    return Alert.objects.create(
        rule=rule, severity=Severity.CRITICAL, since=now, seen_at=now, **fields
    )


def user_with(*permissions: str, stores: Any = ()) -> Any:
    """A staff user with these permissions alone, logged in."""
    user = get_user_model().objects.create_user("mo", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    for store in stores:
        store.operators.add(user)
    return world.logged_in(user)


def links(page: str, address: str) -> set[str]:
    """The addresses within the admin to which a page links."""
    found = {unescape(each) for each in re.findall(r'<a [^>]*href="([^"#]+)', page)}
    whole = {address + each if each.startswith("?") else each for each in found}
    return {each for each in whole if each.startswith("/admin/")}


@pytest.mark.parametrize(
    "permissions",
    [(*CONSOLE, "view_every_store"), CONSOLE, ("view_examination", "view_alert"), ()],
)
def test_no_link_leads_to_what_its_reader_may_not_open(permissions) -> None:
    client = user_with(*permissions)
    shut = []
    opened: dict[str, int] = {}

    for address in (*PAGES, world.page_of(Alert.objects.get(rule="training_failed"))):
        answer = client.get(address)
        assert answer.status_code in (200, 302, 403, 404)
        if answer.status_code == 200:
            for link in links(answer.content.decode(), address):
                opened[link] = opened.get(link) or client.get(link).status_code
                shut += [(address, link)] if opened[link] >= 400 else []

    assert not shut


def test_who_may_not_see_runs_sees_none_of_those_on_which_a_worker_works() -> None:
    shown = user_with(*CONSOLE, "view_every_store").get(WORKERS).content.decode()

    assert "w@h" in shown
    assert "work.of_S1" not in shown


def test_a_user_of_one_store_sees_nothing_of_another_or_of_queues() -> None:
    client = user_with(*CONSOLE, *world.VIEW, stores=[world.store("S1")])

    for address in (HOME, WORKERS, ALERTS, GROUPS):
        shown = client.get(address).content.decode()
        assert not re.search(r"\bS2\b|of_S2|stocktaking|kitchen", shown), address
    assert [client.get(each).status_code for each in (QUEUES, RETENTION)] == [403, 403]


def test_pages_of_the_whole_chain_are_shut_to_who_sees_no_store() -> None:
    client = user_with(*CONSOLE, "prune_rows")

    assert [client.get(each).status_code for each in (QUEUES, RETENTION)] == [403, 403]
    assert client.post(f"{RETENTION}delete/").status_code == 403


def test_what_probes_and_relays_found_has_no_page_of_its_own() -> None:
    """It holds findings about every store, and the home shows each reader their part."""
    examination = Examination.objects.get()

    for page in ("change", "history"):
        address = f"/admin/neural_monitoring/examination/{examination.pk}/{page}/"
        assert world.superuser().get(address).status_code == 404


@pytest.mark.parametrize("permission", ["view_alert", "view_taskrun", "view_periodictask"])
def test_what_is_kept_for_some_is_not_shown_to_who_may_see_less(permission, rf) -> None:
    """Also on a site that has no list of what the permission is for."""
    from django.contrib.admin import AdminSite

    from neural.monitoring.console.page import Viewer

    keys = set()
    for name in ("all", "less"):
        user = get_user_model().objects.create_user(name, is_staff=True)
        chosen = {"view_every_store", permission} - ({permission} if name == "less" else set())
        user.user_permissions.set(Permission.objects.filter(codename__in=chosen))
        request = rf.get("/")
        request.user = user
        keys.add(Viewer(request, AdminSite()).key("/"))

    assert len(keys) == 2
