"""How far an order is on its way to the guest, as its newest event states it."""

import datetime as dt
from typing import Any, NamedTuple, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from neural.restaurant import codes
from neural.restaurant.models.order_status import with_step


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
    def of(cls, kept: dict[str, Any]) -> Self | None:
        """The delivery that an order keeps as JSON; None if nothing is known of one."""
        if "status" not in kept:
            return None
        return cls(
            status=DeliveryStatus(kept["status"]),
            courier=kept["courier"],
            at=dt.datetime.fromisoformat(kept["at"]),
            eta=dt.datetime.fromisoformat(kept["eta"]) if kept["eta"] else None,
            steps=kept["steps"],
        )


def delivery_with(
    kept: dict[str, Any],
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
    steps = with_step(kept.get("steps", []), {"at": moment, "status": status, "courier": courier})
    if not is_newer:
        return {**kept, "steps": steps}
    expected = eta.astimezone(dt.UTC).isoformat() if eta else ""
    return {"status": status, "courier": courier, "at": moment, "eta": expected, "steps": steps}
