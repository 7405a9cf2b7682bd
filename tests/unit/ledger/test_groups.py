"""The groups viewer, operator and manager: what they have, and how they are made."""

from collections import defaultdict

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command

from neural.groups import table
from neural.groups.table import LADDER, TABLE, GroupPermissions, Role, permissions_of
from neural.models import AuditEntry

pytestmark = pytest.mark.django_db

ELSEWHERE = {
    "admin": "Django's own entries, shown on each row's page",
    "contenttypes": "no page shows them",
    "sessions": "no page shows them",
    "loyalty": "the worked example of docs/tutorial/handlers.md",
    "probe": "an app of these tests",
    "django_tasks": "the reference implementation, which is here for its tests",
}
"""Apps that are in no table, and why."""


def names_of(group: str) -> set[str]:
    rows = Group.objects.get(name=group).permissions.select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in rows}


def told(capsys, *arguments: str) -> str:
    call_command("create_groups", *arguments)
    said: str = capsys.readouterr().out
    return said


# The table


def test_every_permission_is_in_a_group_or_left_out_with_a_reason() -> None:
    table.load()
    there = defaultdict(set)
    for each in Permission.objects.select_related("content_type"):
        app, is_there = each.content_type.app_label, each.content_type.model_class() is not None
        if app not in ELSEWHERE and is_there:  # a migration leaves permissions of what is gone
            there[app].add(each.codename)
    stated = {
        each.app: {name for group in each.groups.values() for name in group} | each.left_out()
        for each in TABLE
    }

    new = {app: names for app in there if (names := there[app] - stated.get(app, set()))}
    gone = {app: names for app in stated if (names := stated[app] - there[app])}

    assert new == {}, "put these into a group in neural_groups.py of the app, or say why not"
    assert gone == {}, "these do not exist: take them out of neural_groups.py of the app"


def test_a_permission_is_stated_once() -> None:
    table.load()
    for each in TABLE:
        given = [name for group in each.groups.values() for name in group]
        assert len(given) == len(set(given)), each.app
        assert not set(given) & each.left_out(), each.app


def test_each_group_has_what_the_one_before_has() -> None:
    viewer, operator, manager = (set(permissions_of(role)) for role in LADDER)

    assert viewer < operator < manager
    assert {name for name in viewer if ".view_" not in name} == set()


def test_personal_data_the_audit_log_and_what_cannot_be_undone_are_for_managers_alone() -> None:
    alone = set(permissions_of(Role.MANAGER)) - set(permissions_of(Role.OPERATOR))

    assert {
        "neural.view_personal_data",
        "neural.erase_personal_data",
        "neural.view_auditentry",
        "neural.edit_taskrun",
        "neural_monitoring.prune_rows",
        "neural_forecasting.publish_modelversion",
        "neural_api.rotate_apikey",
    } <= alone


def test_no_group_opens_the_way_to_every_permission() -> None:
    given = {name for role in Role for name in permissions_of(role)}

    assert not {name for name in given if name.startswith("auth.")}


def test_which_stores_is_apart_from_what_may_be_done() -> None:
    assert permissions_of(Role.EVERY_STORE) == ["neural.view_every_store"]
    assert not {"neural.view_every_store"} & set(permissions_of(Role.MANAGER))


# The command


def test_the_groups_are_made_as_the_table_says(capsys) -> None:
    said = told(capsys, "--by", "anna")

    assert {role: names_of(role) for role in Role} == {
        role: set(permissions_of(role)) for role in Role
    }
    assert "operator: new\n" in said
    assert "  + neural.retry_taskrun\n" in said
    assert set(AuditEntry.objects.values_list("actor", "source")) == {("anna", "command")}


def test_made_again_nothing_changes(capsys) -> None:
    told(capsys)
    written = AuditEntry.objects.count()

    said = told(capsys)

    assert said.splitlines() == [f"{role}: as it should be" for role in Role]
    assert AuditEntry.objects.count() == written


def test_a_dry_run_shows_the_difference_and_changes_nothing(capsys) -> None:
    said = told(capsys, "--dry-run")

    assert "  + neural.retry_taskrun\n" in said
    assert said.endswith("Nothing was changed: this was a dry run.\n")
    assert not Group.objects.exists()
    assert not AuditEntry.objects.exists()


def test_what_an_update_brings_is_added_and_what_a_person_gave_is_kept(capsys) -> None:
    told(capsys)
    group = Group.objects.get(name="operator")
    group.permissions.remove(Permission.objects.get(codename="move_taskrun"))
    group.permissions.add(Permission.objects.get(codename="view_logentry"))

    said = told(capsys)

    assert "  + neural.move_taskrun\n  ? admin.view_logentry is not in the table: kept\n" in said
    assert {"neural.move_taskrun", "admin.view_logentry"} <= names_of("operator")


def test_exact_takes_away_what_the_table_does_not_have(capsys) -> None:
    told(capsys)
    Group.objects.get(name="viewer").permissions.add(
        Permission.objects.get(codename="view_logentry")
    )

    assert "  - admin.view_logentry\n" in told(capsys, "--exact")
    assert names_of("viewer") == set(permissions_of(Role.VIEWER))
    assert AuditEntry.objects.latest("pk").details["removed"] == ["admin.view_logentry"]


def test_a_group_of_that_name_which_is_somebody_elses_is_left_alone(capsys) -> None:
    Group.objects.create(name="manager")

    with pytest.raises(CommandError, match="'manager' with none of these permissions") as refused:
        call_command("create_groups")

    assert refused.value.returncode == 1
    assert [group.name for group in Group.objects.all()] == ["manager"]
    assert "Neural manager: new\n" in told(capsys, "--prefix", "Neural ")
    assert names_of("manager") == set()
    told(capsys, "--adopt")
    assert names_of("manager") == set(permissions_of(Role.MANAGER))


def test_a_permission_that_is_not_there_is_a_sentence_and_nothing_is_made(monkeypatch) -> None:
    groups = dict.fromkeys(Role, ("see_x",))
    slip = GroupPermissions(app="shop", groups=groups, nobody={}, read_only=(), internal=())
    monkeypatch.setitem(TABLE._things, "shop", slip)

    with pytest.raises(CommandError, match=r"no permission shop\.see_x in the database"):
        call_command("create_groups")

    assert not Group.objects.exists()


def test_an_app_that_is_left_out_leaves_no_gap(monkeypatch) -> None:
    table.load()
    monkeypatch.delitem(TABLE._things, "neural_forecasting")

    table.make(table.differences(), exact=False)

    assert not any(name.startswith("neural_forecasting.") for name in names_of("manager"))


def test_a_member_may_what_the_group_may_in_their_own_stores(capsys) -> None:
    told(capsys)
    user = User.objects.create_user("lee", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))

    assert user.has_perm("neural.retry_taskrun")
    assert not user.has_perm("neural.edit_taskrun")
    assert not user.has_perm("neural.view_every_store")


def test_every_installed_app_of_ours_states_its_permissions() -> None:
    table.load()
    ours = {each.label for each in apps.get_app_configs() if each.name.startswith("neural")}
    with_permissions = {
        label
        for label in Permission.objects.values_list("content_type__app_label", flat=True)
        if label in ours
    }

    assert with_permissions <= set(TABLE.names())
