"""Search finds dead runs, error groups and refused events, each by those who may see its page."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

import neural
from neural.events.changes import REFUSED_EVENTS
from neural.ledger.prune import prune_old
from neural.models import RefusedEvent, TaskRun
from neural.monitoring.errors.acting import resolve
from neural.monitoring.errors.grouping import sweep
from neural.monitoring.tables import OLD_GROUPS
from neural.retrieval.models import OutboxEntry
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.failing import fail, grouped
from tests.unit.retrieval.searching import EMBEDDER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

TIMEOUT: dict[str, Any] = {"kind": "requests.exceptions.ReadTimeout", "function": "ask_bank"}
TILL = "neural_retrieval_search_changelist"


@pytest.fixture(autouse=True)
def index():
    with neural.temporary_search_index(embedder=EMBEDDER):
        yield


def found(text: str, collection: str, **where: Any) -> list[str]:
    neural.run_due()
    hits = neural.search(text, collection, **where)
    return [hit.title for hit in hits if hit.why.scores.keys() != {"meaning"}]


def page(client: Any, query: str) -> str:
    return str(client.get(reverse(f"admin:{TILL}") + query).content.decode())


def refuse(event_id: str = "e-9", store: str = "S1", **payload: Any) -> RefusedEvent:
    event = {"type": "order.created", "source": "till", "event_id": event_id}
    answer = neural.submit(store=store, payload={"lines": 5, **payload}, **event)
    assert answer.is_refused
    return RefusedEvent.objects.get(event_id=event_id)


def test_a_dead_run_is_found_by_its_work_its_error_and_its_number_until_somebody_decides() -> None:
    run = fail("bank gave no answer", work="kitchen.charge", **TIMEOUT).run
    fail("out of paper", state="succeeded", work="kitchen.print")
    grouped()

    asked = ("ReadTimeout", "read timeout", "charge", "ask_bank", "dead", run.task_id)
    assert [found(text, "runs") for text in asked] == [["kitchen.charge"]] * len(asked)
    assert found("print", "runs") == []

    TaskRun.objects.filter(pk=run.pk).update(state="succeeded")
    sweep(after=0)
    assert found("charge", "runs") == []


def test_a_dead_run_that_was_retried_and_failed_again_is_found_no_longer() -> None:
    attempt = fail("bank gave no answer", work="kitchen.charge", **TIMEOUT)
    grouped()
    TaskRun.objects.filter(pk=attempt.run_id).update(state="cancelled")
    attempt.run.refresh_from_db()
    fail("bank gave no answer", run=attempt.run, **TIMEOUT)
    grouped()

    assert found("charge", "runs") == []


def test_an_error_group_is_found_by_its_cause_and_by_what_was_decided() -> None:
    fail("bank gave no answer", **TIMEOUT)
    (group,) = grouped()
    words = [found(text, "errors") for text in ("ReadTimeout", "超时", "ask_bank", "open")]

    resolve(group, get_user_model()(username="anna"))

    assert words == [["requests.exceptions.ReadTimeout"]] * 4
    assert found("resolved", "errors") == ["requests.exceptions.ReadTimeout"]


def test_groups_that_are_pruned_leave_the_index() -> None:
    fail("bank gave no answer", state="succeeded", at=timezone.now() - dt.timedelta(days=900))
    grouped()
    neural.run_due()

    prune_old(OLD_GROUPS, now=timezone.now())

    assert [entry.collection for entry in OutboxEntry.objects.all()] == ["errors"]
    assert found("ValueError", "errors") == []


def test_people_of_some_stores_find_what_hit_these_alone() -> None:
    old = timezone.now() - dt.timedelta(days=3)
    fail("bank gave no answer", store="S1", work="own.work", at=old, **TIMEOUT)
    fail("bank gave no answer", store="S2", work="other.work", **TIMEOUT)
    fail("table is unknown", store="S2", kind="KeyError")
    grouped()
    neural.run_due()
    permissions = ("view_search", "view_errorgroup")
    client = world.client_of(*permissions, stores=[world.store("S1")])

    errors = page(client, "?q=ReadTimeout&collection=errors")
    runs = page(client, "?q=ReadTimeout&collection=runs")

    assert "ReadTimeout" in errors
    assert f"{timezone.localdate(old)}" in errors  # when it failed here, not elsewhere
    assert "own.work" in runs
    assert "other.work" not in runs
    assert "find_unknown" not in page(client, "?q=KeyError&collection=errors")
    recent = f"?q=ReadTimeout&collection=errors&since={timezone.localdate()}"
    assert "<h2>Error groups" not in page(client, recent)
    without = world.client_of("view_search", stores=[world.store("S1")], name="mia")
    assert "<h2>Error groups" not in page(without, "?q=ReadTimeout")


def test_an_error_group_is_found_by_each_period_in_which_it_failed() -> None:
    def failed(kind: str, *days: int, store: str = "S1") -> None:
        for ago in days:
            at = timezone.now() - dt.timedelta(days=ago)
            fail("bank gave no answer", at=at, kind=kind, function=kind, store=store)

    failed("TwiceError", 1, 0)
    failed("OldError", 3, 0)
    failed("NewError", 0)
    failed("SpreadError", 1, store="S1")
    failed("SpreadError", 2, 0, store="S2")
    grouped()

    def titles(text: str, **where: Any) -> list[str]:
        return sorted(found(text, "errors", **where))

    assert titles("yesterday") == titles("昨天") == ["SpreadError", "TwiceError"]
    assert titles("yesterday store:S1") == ["SpreadError", "TwiceError"]
    assert titles("yesterday", stores=["S2"]) == []
    assert titles("today", stores=["S2"]) == ["SpreadError"]
    since, until = (timezone.localdate() - dt.timedelta(days=each) for each in (3, 2))
    assert titles("error", since=since, until=since) == ["OldError"]
    assert titles(f"before:{until}") == ["OldError"]
    (hit,) = neural.search("TwiceError yesterday", "errors")
    assert timezone.localdate(hit.at) == timezone.localdate() - dt.timedelta(days=1)


def test_the_state_of_an_error_group_is_searched_for_as_its_page_calls_it() -> None:
    for kind in ("OneError", "TwoError"):
        fail("bank gave no answer", kind=kind, function=kind)
    group, _other = grouped()
    resolve(group, get_user_model()(username="anna"))
    neural.run_due()

    assert found("状态:待处理", "errors") == ["TwoError"]


def test_a_refused_event_is_found_by_its_reason_its_id_and_its_state() -> None:
    refused = refuse()
    texts = ("e-9", "refused", "被拒绝", "lines")

    assert [found(text, "refused") for text in texts] == [["order.created e-9"]] * len(texts)
    world.superuser().post(world.act_on(refused, "dismiss"))
    refused.refresh_from_db()
    assert refused.state == "dismissed"
    assert found("dismissed", "refused") == ["order.created e-9"]


def test_personal_data_of_refused_events_is_not_in_the_index() -> None:
    refuse(guest={"name": "王小明", "phone": "13812345678"}, note="no peanuts")

    assert found("peanuts", "refused") == ["order.created e-9"]
    (hit,) = neural.search("peanuts", "refused")
    assert "王**" in hit.text
    assert "小明" not in repr(hit)
    assert "13812345678" not in repr(hit)


def test_a_refused_event_of_no_possible_store_is_found_by_who_sees_all() -> None:
    refuse(store="S 1/x")

    assert found("e-9", "refused") == ["order.created e-9"]
    assert found("e-9", "refused", stores=["S", "S 1", "S1"]) == []
    assert OutboxEntry.objects.count() == 0


def test_refused_events_that_are_pruned_leave_the_index() -> None:
    refuse()
    neural.run_due()

    prune_old(REFUSED_EVENTS, now=timezone.now() + dt.timedelta(days=9999))

    assert [entry.collection for entry in OutboxEntry.objects.all()] == ["refused"]
    assert found("e-9", "refused") == []


def test_api_keys_do_not_find_faults() -> None:
    from neural.retrieval.collections.registry import collections

    closed = {each.name for each in collections() if not each.in_api}

    assert closed == {"runs", "errors", "refused"}
