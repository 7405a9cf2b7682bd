"""What an entry of the audit log holds: who, when, what, which rows, why, how it ended."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError
from django.urls import reverse

from neural.admin.actions import perform
from neural.audit import record
from neural.models import AuditEntry, AuditOutcome, AuditSource, RunState, Store
from neural.monitoring.alerts.rules import RULES
from neural.runs.admin.runs import TaskRunAdmin
from tests.unit.admin import admin_world as world
from tests.unit.hooks import hooks_world
from tests.unit.hooks.test_hooks_incoming_admin import form

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

USER = "auth.user"
RETRY = next(verb for verb in TaskRunAdmin.verbs if verb.name == "retry")


def entry(**of: str) -> AuditEntry:
    return AuditEntry.objects.get(**of)


def permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


def test_an_act_on_rows_of_several_stores_makes_an_entry_for_each_and_one_for_rows_of_none() -> (
    None
):
    runs = [
        world.run(RunState.DEAD, task_id=code, store=world.store(code) if code else None)
        for code in ("S1", "S2", "")
    ]

    record(action="run.retry", by="lee", source=AuditSource.ADMIN, rows=runs)

    found = {each.store_id: each.target_ids for each in AuditEntry.objects.all()}
    assert found == {"S1": [str(runs[0].pk)], "S2": [str(runs[1].pk)], None: [str(runs[2].pk)]}


def test_a_code_of_no_store_that_came_with_a_row_is_not_taken_for_a_store() -> None:
    unknown = type("Row", (), {"pk": 1, "store_code": "no such", "_meta": Store._meta})()

    record(action="x.y", by="lee", source=AuditSource.ADMIN, rows=[unknown])  # type: ignore[list-item]

    assert entry().store_id is None


def test_rows_beyond_a_thousand_are_named_by_further_entries() -> None:
    rows = [Store(code=f"S{number}") for number in range(1001)]
    Store.objects.bulk_create(rows)

    record(action="store.confirm", by="lee", source=AuditSource.ADMIN, rows=rows, store="S0")

    assert sorted(AuditEntry.objects.values_list("count", flat=True)) == [1, 1000]


def test_too_many_words_are_cut_and_no_reason_to_refuse_an_act() -> None:
    record(action="x.y", by="b" * 200, source=AuditSource.API, reason="\0" + "r" * 600)

    assert (len(entry().actor), len(entry().reason)) == (150, 500)


def test_a_button_leaves_an_entry_with_the_reason_that_was_given() -> None:
    run = world.run(RunState.DEAD)
    world.client_of("retry_taskrun").post(
        world.act_on(run, "retry"), {"reason": " the till is back "}
    )

    found = entry()
    assert (found.actor, found.action, found.source) == ("lee", "run.retry", AuditSource.ADMIN)
    assert (found.target_model, found.target_ids) == ("neural.taskrun", [str(run.pk)])
    assert (found.reason, found.outcome, found.count) == ("the till is back", "done", 1)
    assert found.store_id == "S1"
    assert found.user_id == str(get_user_model().objects.get(username="lee").pk)
    assert list(found.rows.values_list("model", "object_id")) == [("neural.taskrun", str(run.pk))]


def test_a_selection_leaves_one_entry_with_its_reason_whatever_states_were_found() -> None:
    user = get_user_model().objects.create_superuser("root")
    runs = [world.run(state, task_id=state) for state in (RunState.DEAD, RunState.CANCELLED)]

    perform(verb=RETRY, rows=runs, user=user, reason="both")

    assert entry().count == 2
    assert entry().reason == "both"
    assert len(entry().details["changes"]) == 2


def test_rows_in_no_state_for_the_act_make_an_entry_that_it_failed() -> None:
    user = get_user_model().objects.create_superuser("root")
    runs = [world.run(state, task_id=state) for state in (RunState.DEAD, RunState.PENDING)]

    perform(verb=RETRY, rows=runs, user=user)

    found = {each.outcome: (each.target_ids, each.count) for each in AuditEntry.objects.all()}
    assert found == {"done": ([str(runs[0].pk)], 1), "failed": ([str(runs[1].pk)], 0)}


@pytest.mark.parametrize("way", ["button", "list"])
def test_an_attempt_without_permission_is_recorded_as_refused(way: str) -> None:
    run, client = world.run(RunState.DEAD), world.client_of()

    if way == "button":
        client.post(world.act_on(run, "retry"), {"reason": "please"})
    else:
        client.post(world.list_of("taskrun"), world.selection("retry", run, reason="please"))

    found = entry()
    assert (found.action, found.outcome, found.reason) == ("run.retry", "refused", "please")
    assert found.target_ids == [str(run.pk)]


def test_a_refused_attempt_on_a_row_that_the_user_may_not_see_names_no_row() -> None:
    run = world.run(RunState.DEAD, store=world.store("S2"))
    client = world.client_of(stores=[world.store("S1")])

    client.post(world.list_of("taskrun"), world.selection("retry", run))

    assert entry().outcome == AuditOutcome.REFUSED
    assert entry().target_ids == []


def test_who_is_not_logged_in_leaves_no_entry(client) -> None:
    client.post(world.act_on(world.run(RunState.DEAD), "retry"))
    client.post("/admin/login/", {"username": "lee", "password": "wrong"})

    assert not AuditEntry.objects.exists()


def test_a_look_that_is_refused_is_no_act() -> None:
    user = get_user_model().objects.create_user("lee", is_staff=True)

    assert world.logged_in(user).get(world.list_of("taskrun")).status_code == 403
    assert not AuditEntry.objects.exists()


def test_forms_record_which_fields_were_changed_and_which_rows_were_given_and_taken() -> None:
    store, before = world.store(), get_user_model().objects.create_user("before")
    store.operators.add(before)
    now = get_user_model().objects.create_user("now")
    form = {
        "name": "North", "time_zone": "Asia/Shanghai", "day_ends_at": "00:00", "confirmed": "on",
        "operators": [now.pk],
    }  # fmt: skip

    world.superuser().post(world.page_of(store), form)

    found = entry(action="store.change")
    assert found.store_id == "S1"
    assert set(found.details["changes"]) >= {"Name", "Operators"}
    assert (found.details["given"], found.details["taken"]) == (["now"], ["before"])
    assert found.details["switched"] == {"confirmed": True}


def test_numbers_that_a_form_sets_are_recorded_before_and_after() -> None:
    rule = next(each for each in RULES.by_name() if each.thresholds)
    name, most = f"threshold_{rule.thresholds[0].name}", rule.thresholds[0].most
    address = reverse("admin:neural_monitoring_alertrule_change", args=[rule.name])

    world.superuser().post(address, {"enabled": "on", name: most or 7})

    assert entry(action="alertrule.change").details["set"] == {name: [None, most or 7]}


def test_codes_of_stores_that_are_added_on_a_sources_page_are_named() -> None:
    world.store()
    with hooks_world.till():
        source = hooks_world.source("shops", platform="till", credentials={"secret": "s3cret"})

        world.superuser().post(world.page_of(source), form(source, ("", "8899", "S1")))

    (told,) = [each for each in entry().details["changes"] if "added" in each]
    assert "8899" in told


def test_permissions_that_are_given_and_taken_are_recorded_by_name() -> None:
    group = Group.objects.create(name="operators")
    group.permissions.add(permission("retry_taskrun"))
    given = permission("cancel_taskrun")

    world.superuser().post(world.page_of(group), {"name": "operators", "permissions": [given.pk]})

    found = entry(action="group.change")
    assert found.details["given"] == ["neural.cancel_taskrun"]
    assert found.details["taken"] == ["neural.retry_taskrun"]


def test_a_user_who_is_deleted_is_named() -> None:
    user = get_user_model().objects.create_user("leaver")

    world.superuser().post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})

    assert entry(action="user.delete").details["names"] == ["leaver"]


def test_a_new_password_is_recorded_without_it() -> None:
    user = get_user_model().objects.create_user("lee")
    words = {"password1": "egg-tart-and-tea", "password2": "egg-tart-and-tea"}

    world.superuser().post(f"/admin/auth/user/{user.pk}/password/", words)

    assert entry(action="user.change").details["changes"]
    assert "egg-tart" not in str(list(AuditEntry.objects.values_list()))


@pytest.fixture
def lee() -> Any:
    return get_user_model().objects.create_user("lee", password="old-egg-tart", is_staff=True)


def own_password(user: Any, old: str, new: str) -> Any:
    words = {"old_password": old, "new_password1": new, "new_password2": new}
    return world.logged_in(user).post("/admin/password_change/", words)


def test_a_user_who_changes_the_own_password_leaves_an_entry_without_it(lee: Any) -> None:
    own_password(lee, "old-egg-tart", "egg-tart-and-tea")

    lee.refresh_from_db()
    assert lee.check_password("egg-tart-and-tea")
    found = entry(action="user.change")
    assert (found.actor, found.target_model, found.target_ids) == ("lee", USER, [str(lee.pk)])
    assert found.details == {"changes": ["Password"]}
    assert "egg-tart" not in str(list(AuditEntry.objects.values_list()))


def test_an_own_password_that_is_not_taken_leaves_no_entry(lee: Any) -> None:
    own_password(lee, "wrong", "egg-tart-and-tea")

    assert not AuditEntry.objects.exists()


def test_an_own_password_is_not_changed_without_its_entry(
    lee: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(user: Any, **facts: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("neural.groups.admin.record_user", fails)

    with pytest.raises(DatabaseError):
        own_password(lee, "old-egg-tart", "egg-tart-and-tea")

    lee.refresh_from_db()
    assert lee.check_password("old-egg-tart")


def test_groups_permissions_and_rights_of_a_user_are_recorded_by_name(lee: Any) -> None:
    group = Group.objects.create(name="operators")
    lee.user_permissions.add(permission("retry_taskrun"))
    page = {
        "username": "lee",
        "is_active": "on",
        "is_superuser": "on",
        "groups": [group.pk],
        "user_permissions": [permission("cancel_taskrun").pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }

    world.superuser().post(world.page_of(lee), page)

    details = entry(action="user.change").details
    assert details["given"] == ["operators", "neural.cancel_taskrun"]
    assert details["taken"] == ["neural.retry_taskrun"]
    assert details["switched"] == {"is_staff": False, "is_superuser": True}


def test_a_user_who_is_added_leaves_an_entry_without_the_password() -> None:
    words = {"username": "new", "password1": "egg-tart-and-tea", "password2": "egg-tart-and-tea"}

    world.superuser().post("/admin/auth/user/add/", {**words, "usable_password": "true"})

    user = get_user_model().objects.get(username="new")
    assert entry(action="user.add").target_ids == [str(user.pk)]
    assert "egg-tart" not in str(list(AuditEntry.objects.values_list()))
