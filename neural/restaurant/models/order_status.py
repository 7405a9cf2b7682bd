"""The states and statuses of orders, and the line of an order's statuses in time."""

import datetime as dt
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

LONGEST_PROGRESS = 50
"""How many of its newest statuses an order keeps."""

LATE_CHANGE = dt.timedelta(hours=12)
"""An order whose content changes so long after it was closed may be another order that was given
the same number."""

Step = dict[str, Any]
"""One status of an order: ``at`` (ISO 8601, UTC), ``status``, ``by`` and ``reason``."""


class OrderState(models.TextChoices):
    """Whether an order counts. An expected one is known from a payment or a status alone; one that
    was rejected, cancelled, voided or merged counts nowhere."""

    EXPECTED = "expected", _("expected")
    PLACED = "placed", _("placed")
    CANCELLED = "cancelled", _("cancelled")


class OrderStatus(models.TextChoices):
    """How far an order is, as its till says. Whether it is paid is computed."""

    SCHEDULED = "scheduled", _("scheduled")
    OPEN = "open", _("open")
    ACCEPTED = "accepted", _("accepted")
    PREPARING = "preparing", _("preparing")
    READY = "ready", _("ready")
    DELIVERING = "delivering", _("delivering")
    CLOSED = "closed", _("closed")
    REJECTED = "rejected", _("rejected")
    CANCELLED = "cancelled", _("cancelled")
    VOIDED = "voided", _("voided")
    MERGED = "merged", _("merged")


COUNTS_NOWHERE = frozenset(
    {OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.VOIDED, OrderStatus.MERGED}
)


class Channel(models.TextChoices):
    DINE_IN = "dine_in", _("dine-in")
    TAKEAWAY = "takeaway", _("takeaway")
    DELIVERY = "delivery", _("delivery")


def step(*, at: dt.datetime, status: str, by: str = "", reason: str = "") -> Step:
    return {"at": at.astimezone(dt.UTC).isoformat(), "status": status, "by": by, "reason": reason}


def with_step(progress: Iterable[Step], new: Step) -> list[Step]:
    """The progress with one more step, the newest steps of it. In whatever order steps are added,
    the result is the same."""
    steps = {tuple(sorted(each.items())): each for each in (*progress, new)}
    # Not by the text of a step: PostgreSQL returns the keys of JSON in another order.
    ordered = sorted(steps.values(), key=itemgetter("at", "status", "by", "reason"))
    return ordered[-LONGEST_PROGRESS:]
