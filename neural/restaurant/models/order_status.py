"""The states and statuses of orders, the line of an order's statuses in time, and its delivery."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.restaurant import codes

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


@codes.named(codes.Status)
class OrderStatus(models.TextChoices):
    """How far an order is, as its till says. Whether it is paid is computed."""

    SCHEDULED = "scheduled", _("scheduled")
    OPEN = "open", pgettext_lazy("order", "open")
    ACCEPTED = "accepted", pgettext_lazy("order", "accepted")
    PREPARING = "preparing", _("preparing")
    READY = "ready", _("ready")
    DELIVERING = "delivering", _("delivering")
    CLOSED = "closed", pgettext_lazy("order", "closed")
    REJECTED = "rejected", pgettext_lazy("order", "rejected")
    CANCELLED = "cancelled", _("cancelled")
    VOIDED = "voided", _("voided")
    MERGED = "merged", _("merged")


COUNTS_NOWHERE = frozenset(
    {OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.VOIDED, OrderStatus.MERGED}
)


@codes.named(codes.Channel)
class Channel(models.TextChoices):
    DINE_IN = "dine_in", _("dine-in")
    TAKEAWAY = "takeaway", _("takeaway")
    DELIVERY = "delivery", _("delivery")


def step(*, at: dt.datetime, status: str, by: str = "", reason: str = "") -> Step:
    return {"at": at.astimezone(dt.UTC).isoformat(), "status": status, "by": by, "reason": reason}


def with_step(progress: Iterable[Step], new: Step) -> list[Step]:
    """The progress with one more step, the newest steps of it. In whatever order steps are added,
    the result is the same."""
    # By sorted items, as PostgreSQL returns the names of an object in another order.
    steps = {tuple(sorted(each.items())): each for each in (*progress, new)}
    ordered = sorted(steps.items(), key=lambda each: (each[1]["at"], each[1]["status"], each[0]))
    return [each for _, each in ordered[-LONGEST_PROGRESS:]]


@codes.named(codes.DeliveryStatus)
class DeliveryStatus(models.TextChoices):
    ASSIGNED = "assigned", _("courier assigned")
    AT_STORE = "at_store", _("courier at the store")
    PICKED_UP = "picked_up", _("picked up")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("delivery failed")
    CANCELLED = "cancelled", _("delivery cancelled")


class Delivery(NamedTuple):
    """The delivery of an order; ``steps`` are its statuses so far, as dicts with ``at``, ``status``
    and ``courier``."""

    status: DeliveryStatus
    courier: str
    at: dt.datetime
    eta: dt.datetime | None
    steps: list[dict[str, Any]]

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self | None:
        """The delivery that an order keeps as JSON; None if nothing is known of one."""
        if "status" not in stored:
            return None
        return cls(
            status=DeliveryStatus(stored["status"]),
            courier=stored["courier"],
            at=dt.datetime.fromisoformat(stored["at"]),
            eta=dt.datetime.fromisoformat(stored["eta"]) if stored["eta"] else None,
            steps=stored["steps"],
        )


def delivery_with(
    stored: dict[str, Any],
    *,
    is_newer: bool,
    status: str,
    courier: str,
    at: dt.datetime,
    eta: dt.datetime | None,
) -> dict[str, Any]:
    """The JSON of a delivery with one more statement, which replaces all but the steps if it is
    newer."""
    moment = at.astimezone(dt.UTC).isoformat()
    steps = with_step(stored.get("steps", []), {"at": moment, "status": status, "courier": courier})
    if not is_newer:
        return {**stored, "steps": steps}
    expected = eta.astimezone(dt.UTC).isoformat() if eta else ""
    return {"status": status, "courier": courier, "at": moment, "eta": expected, "steps": steps}
