"""Who may see figures of business days."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_permission_codename

from neural.restaurant.models import DayClose, Order, Payment


def sees_days(user: Any) -> bool:
    """Whether a user may see what is added up from closes, orders and payments: all of these must
    be visible too."""
    return bool(user.has_perms(map(_to_view, (DayClose, Order, Payment))))


def shown_to(user: Any, columns: Sequence[Any]) -> list[Any]:
    """Without what is added up from orders and payments for who may not see these."""
    if sees_days(user):
        return [*columns]
    plain = ("day_shown" if each == "day_page" else each for each in columns)
    return [each for each in plain if each != "agreement_shown"]


def _to_view(model: Any) -> str:
    meta = model._meta
    return f"{meta.app_label}.{get_permission_codename('view', meta)}"
