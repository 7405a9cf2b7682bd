"""A store's rows stay with the store: `for_user`."""

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from neural.models import NeuralEvent, Store, TaskRun
from tests.unit.factories import make_event, make_run, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    for code in ("S1", "S2"):
        make_run(event=make_event(code, store=code), store=make_store(code))
    make_run()  # of no store


def seen_by(user):
    return (
        set(NeuralEvent.objects.for_user(user).values_list("store", flat=True)),
        set(TaskRun.objects.for_user(user).values_list("store", flat=True)),
        set(Store.objects.for_user(user).values_list("code", flat=True)),
    )


EVERYTHING = ({"S1", "S2"}, {"S1", "S2", None}, {"S1", "S2"})
NOTHING = (set(), set(), set())


def test_an_operator_sees_the_rows_of_their_own_stores_only(rows):
    user = User.objects.create_user("ann")
    Store.objects.get(code="S1").operators.add(user)

    assert seen_by(user) == ({"S1"}, {"S1"}, {"S1"})


def test_a_user_without_stores_sees_nothing(rows):
    assert seen_by(User.objects.create_user("bob")) == NOTHING


def test_nobody_sees_nothing(rows):
    assert seen_by(AnonymousUser()) == NOTHING


def test_who_may_see_every_store_sees_every_row(rows):
    user = User.objects.create_user("chief")
    user.user_permissions.add(Permission.objects.get(codename="view_every_store"))

    assert seen_by(user) == EVERYTHING
    assert seen_by(User.objects.create_superuser("root")) == EVERYTHING


def test_an_inactive_user_with_every_permission_sees_no_more_than_their_stores(rows):
    assert seen_by(User.objects.create_superuser("gone", is_active=False)) == NOTHING
