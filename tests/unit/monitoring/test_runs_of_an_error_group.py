"""The list of runs that failed alike names their error group, and decides about it."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from neural.kit.keyset import bounded
from neural.kit.keyset.bounded import KeyPage
from neural.kit.keyset.walks import Place
from neural.models import AuditEntry, RunState, Store, TaskRun
from neural.monitoring.models import ErrorGroup
from neural.runs import lookups
from neural.runs.query import RunQuery
from neural.runs.selecting import select
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.failing import fail, grouped

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/neural/taskrun/"


def group() -> ErrorGroup:
    fail("the printer has no paper", state=RunState.DEAD)
    (found,) = grouped()
    return found


def chip(client: Any, value: Any) -> Any:
    found = client.get(LIST, {"error_group": value}).context["page"].chips
    return next(each for each in found if "find_paper" in each.value or "group" in each.value)


def test_the_group_is_linked_and_is_resolved_or_muted_without_leaving_the_list() -> None:
    of = group()
    client = world.client_of("view_errorgroup", "decide_errorgroup")

    page = chip(client, of.pk).page

    assert page.address == reverse("admin:neural_monitoring_errorgroup_change", args=[of.pk])
    assert [str(label) for label, _ in page.acts] == ["Resolve", "Mute for a day"]
    here = f"{LIST}?error_group={of.pk}"
    asks = client.post(dict(page.acts)[page.acts[0][0]], {"next": here})["Location"]
    assert f'href="{here}"' in client.get(asks).content.decode()
    answer = client.post(asks)
    assert (answer.status_code, answer["Location"]) == (302, here)
    of.refresh_from_db()
    assert of.state == "resolved"
    assert AuditEntry.objects.filter(action__contains="resolve", actor="lee").exists()
    assert chip(client, of.pk).page.acts == []
    content = client.get(here).content.decode()
    assert f'href="{page.address}"' in content


def test_who_may_not_decide_sees_the_link_alone() -> None:
    of = group()
    assert chip(world.client_of("view_errorgroup"), of.pk).page.acts == []


@pytest.mark.parametrize("limited", [True, False])
def test_nothing_is_linked_that_the_user_may_not_see(limited) -> None:
    of = group()
    stores = [world.store("S9")] if limited else ()
    permissions = ("view_errorgroup",) if limited else ()
    client = world.client_of(*permissions, stores=stores)
    found = client.get(LIST, {"error_group": of.pk}).context["page"].chips
    assert [each.page for each in found] == [None] * len(found)


def test_of_several_groups_none_is_linked() -> None:
    of = group()
    client = world.superuser()
    assert chip(client, f"{of.pk},{of.pk + 1}").page is None


def page_of(of: ErrorGroup, client: Any) -> KeyPage:
    user = get_user_model().objects.get(pk=client.session["_auth_user_id"])
    query = RunQuery.from_params({"error_group": str(of.pk), "period": "all"})
    return select(query, user).page(place=Place(), size=3)


def failed(store: str, message: str = "the printer has no paper") -> int:
    attempt = fail(message, store=store)
    TaskRun.objects.filter(pk=attempt.run_id).update(error=attempt.error)
    return attempt.run_id


def test_a_user_of_few_stores_finds_its_old_runs_behind_any_number_of_others(monkeypatch) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 4)
    monkeypatch.setattr(lookups, "MOST_FOUND", 2)
    mine = [failed("S1"), failed("S1")]
    others = [failed("S2") for _ in range(9)]
    (of,) = grouped()
    for number in range(9):
        failed("S1", f"no such dish {'abcdefghi'[number]}")

    page = page_of(of, world.client_of(stores=[Store.objects.get(code="S1")]))

    assert (page.keys, page.more, page.stopped_at) == (mine[::-1], False, None)
    every = page_of(of, world.superuser())
    assert every.more
    assert {*every.keys} <= {*others[-4:]}
