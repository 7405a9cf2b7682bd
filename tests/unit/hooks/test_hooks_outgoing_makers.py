"""A subscription goes on when its maker loses a store, and somebody has to answer for it."""

import pytest
from django.contrib.auth import get_user_model

from neural.health.findings import Status
from neural.health.situation import Situation
from neural.hooks.health import beyond_their_makers, webhook_deliveries
from tests.unit.admin import admin_world as world
from tests.unit.hooks.subscribing import happens, only, subscribe

pytestmark = pytest.mark.django_db

URL = "https://erp.example/hook"


@pytest.fixture
def maker():
    world.client_of(name="ann", stores=[world.store("S1"), world.store("S2")])
    return get_user_model().objects.get(username="ann")


def leaves(maker, code):
    world.store(code).operators.remove(maker)


def test_one_whose_maker_sees_all_of_its_stores_is_as_it_should_be(maker):
    subscribe(URL, stores=["S1", "S2"], created_by=maker)
    world.client_of(name="chief")
    subscribe(URL, created_by=get_user_model().objects.get(username="chief"))
    subscribe(URL, stores=["S3"])

    assert beyond_their_makers() == []


def test_one_whose_maker_lost_a_store_goes_on_and_is_told(maker):
    found = subscribe(URL, stores=["S1", "S2"], created_by=maker)
    leaves(maker, "S2")

    happens(store="S2")

    assert only().subscription == found
    assert beyond_their_makers() == [found]
    told = webhook_deliveries(Situation())
    assert (told.status, "ERP" in told.found) == (Status.WARNING, True)


def test_so_is_that_of_somebody_who_left_or_may_no_longer_see_every_store(maker):
    of_leaver = subscribe(URL, stores=["S1"], created_by=maker)
    maker.is_active = False
    maker.save()
    world.client_of(name="chief")
    chief = get_user_model().objects.get(username="chief")
    of_chief = subscribe(URL, created_by=chief)
    chief.user_permissions.clear()

    assert beyond_their_makers() == [of_leaver, of_chief]


def test_whoever_takes_it_over_answers_for_it(maker):
    found = subscribe(URL, stores=["S1", "S2"], created_by=maker)
    leaves(maker, "S2")
    chief = world.client_of("view_subscription", "change_subscription", name="chief")
    page = chief.get(world.page_of(found)).content.decode()
    assert "may no longer see all of its stores" in page

    chief.post(world.act_on(found, "take_over"))

    found.refresh_from_db()
    assert found.created_by.username == "chief"
    assert beyond_their_makers() == []
    assert "may no longer see" not in chief.get(world.page_of(found)).content.decode()


def test_who_may_not_change_it_takes_over_nothing(maker):
    found = subscribe(URL, stores=["S1", "S2"], created_by=maker)
    leaves(maker, "S2")
    reader = world.client_of("view_subscription", name="reader")

    assert reader.post(world.act_on(found, "take_over")).status_code == 403
    found.refresh_from_db()
    assert found.created_by == maker
