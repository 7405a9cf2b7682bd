"""The stores of a user are read once for each request, and what is taken away is gone with the
next one."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User

from neural.groups.table import differences, make
from neural.models import TaskRun
from neural.models.store import visible_stores
from neural.monitoring.console.verdict import open_alerts
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db


def again(user: User) -> User:
    """The user as the next request has it."""
    return User.objects.get(pk=user.pk)


def test_the_codes_are_sorted_and_none_means_every_store():
    user = User.objects.create_user("lee")
    user.neural_stores.set([world.store("S2"), world.store("S1")])
    chief = User.objects.create_user("chief")
    chief.user_permissions.add(Permission.objects.get(codename="view_every_store"))

    assert visible_stores(user) == ("S1", "S2")
    assert visible_stores(chief) is None
    assert visible_stores(AnonymousUser()) == ()
    assert visible_stores(User.objects.create_user("new")) == ()


def test_they_are_read_once_for_each_user_object(django_assert_num_queries):
    user = User.objects.create_user("lee")
    user.neural_stores.set([world.store("S1")])
    user = again(user)
    assert not user.has_perm("neural.view_every_store")  # Django keeps this, too

    with django_assert_num_queries(1):
        for _ in range(3):
            visible_stores(user)
            TaskRun.objects.for_user(user)


def test_conditions_name_the_codes():
    user = User.objects.create_user("lee")
    user.neural_stores.set([world.store("S1")])

    statement = str(TaskRun.objects.for_user(user).query)

    assert "neural_store_operators" not in statement
    assert "S1" in statement


def test_a_store_that_is_taken_away_is_gone_with_the_next_request_of_the_same_session():
    mine = world.store("S1")
    run = world.run(store=mine)
    client = world.client_of(stores=[mine])
    assert client.get(world.page_of(run)).status_code == 200

    mine.operators.clear()

    assert client.get(world.page_of(run)).status_code == 302
    assert not client.get(world.list_of("taskrun")).context["cl"].result_list


def test_a_permission_that_is_taken_away_is_gone_with_the_next_request_of_the_same_session():
    make(differences(), exact=False)
    run = world.run("dead")
    client = world.client_of()
    user = User.objects.get(username="lee")
    user.groups.add(Group.objects.get(name="operator"))
    user.groups.clear()

    assert client.post(world.act_on(run, "retry")).status_code == 403
    run.refresh_from_db()
    assert run.state == "dead"


def test_a_manager_who_loses_the_last_store_does_not_come_to_see_or_change_the_chain(client):
    make(differences(), exact=False)
    user = User.objects.create_user("lee", is_staff=True)
    user.groups.add(Group.objects.get(name="manager"))
    client.force_login(user)

    assert open_alerts(again(user)) == []
    assert client.get("/metrics").status_code == 401
    for model in ("queuepause", "alertrule", "alertchannel", "retention"):
        assert client.get(world.list_of(model)).status_code == 403, model
    assert client.get("/admin/neural_logins/loginfailures/").status_code == 403
