"""The codes that tills state and columns hold are written once."""

import re
from pathlib import Path

import pytest
from django.db import models

from neural.restaurant import codes
from neural.restaurant.admin.amounts import TENDERS
from neural.restaurant.admin.day_display import FIGURES
from neural.restaurant.admin.receipt import KINDS
from neural.restaurant.days.figures import NOT_TAKEN_IN
from neural.restaurant.models import Channel, OrderStatus
from neural.restaurant.schemas import OrderStated
from neural.retrieval.collections.trade import CALLED

DOCS = Path(__file__).parents[3] / "docs"


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
    assert set(codes.codes_of(codes.Channel)) < set(CALLED)


@pytest.mark.parametrize("language", ["", "zh"])
def test_the_documents_have_a_word_for_each_of_these_codes(language):
    page = (DOCS / language / "explanation" / "tills.md").read_text()
    rows = re.findall(r"^\| [^|]*`(\w+)`[^|]* \| [^|]+ \| (`.*) \|$", page, re.M)
    listed = {field: re.findall(r"`([a-z_]+)`", cell) for field, cell in rows}

    assert listed["state"] == [*codes.codes_of(codes.LineState)]
    assert listed["tender"] == [*codes.codes_of(codes.Tender)]
    assert listed["sums"] == [*codes.codes_of(codes.DaySum)]
    assert {*codes.codes_of(codes.LineRole)} < {*listed["role"]}
