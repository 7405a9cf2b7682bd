"""The codes that tills state and columns hold are written once."""

import pytest
from django.db import models

from neural.restaurant import codes
from neural.restaurant.admin.amounts import TENDERS
from neural.restaurant.admin.day_display import FIGURES
from neural.restaurant.admin.receipt import KINDS
from neural.restaurant.days.figures import NOT_TAKEN_IN
from neural.restaurant.documents import _CHANNELS
from neural.restaurant.models import Channel, OrderStatus
from neural.restaurant.schemas import OrderStated


def test_choices_with_a_code_more_or_less_are_refused_when_they_are_defined():
    with pytest.raises(codes.CodesDiffer, match="Less has dine_in; "):

        @codes.named(codes.Channel)
        class Less(models.TextChoices):
            DINE_IN = "dine_in"

    with pytest.raises(codes.CodesDiffer, match="hovering"):

        @codes.named(codes.Channel)
        class More(models.TextChoices):
            DINE_IN = "dine_in"
            TAKEAWAY = "takeaway"
            DELIVERY = "delivery"
            HOVERING = "hovering"


def test_choices_of_just_these_codes_are_what_they_were():
    assert Channel.DELIVERY == "delivery"
    assert tuple(OrderStatus.values) == codes.codes_of(codes.Status)


def test_events_take_each_code_and_no_other():
    for channel in ("", *Channel.values):
        assert OrderStated(order_id="1", lines=[], channel=channel).channel == channel
    with pytest.raises(ValueError, match="'dine_in', 'takeaway' or 'delivery'"):
        OrderStated(order_id="1", lines=[], channel="hovering")


def test_what_people_read_has_a_name_for_each_code():
    assert set(TENDERS) == set(codes.codes_of(codes.Tender))
    assert set(NOT_TAKEN_IN) < set(codes.codes_of(codes.Tender))
    assert set(KINDS) == set(codes.codes_of(codes.BillKind))
    assert set(FIGURES) == {*codes.codes_of(codes.DaySum), "orders", "guests"}
    assert set(_CHANNELS) == set(codes.codes_of(codes.Channel))
