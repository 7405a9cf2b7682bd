"""The codes that events and rows share: what a till may state, and what columns hold. Pure.

The schemas of events take them from here. The choices of models name them for people, and are
compared with them when they are defined (:func:`named`), so neither can have a code that the other
does not know.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

Status = Literal[
    "scheduled",
    "open",
    "accepted",
    "preparing",
    "ready",
    "delivering",
    "closed",
    "rejected",
    "cancelled",
    "voided",
    "merged",
]
Channel = Literal["dine_in", "takeaway", "delivery"]
LineState = Literal["sold", "gift", "void", "returned"]
LineRole = Literal["item", "modifier", "component", "deferred"]
BillKind = Literal["discount", "charge", "tax", "rounding"]
Tender = Literal[
    "cash",
    "card",
    "wechat",
    "alipay",
    "platform",
    "stored_value",
    "points",
    "voucher",
    "on_account",
    "other",
]
PaymentStatus = Literal["pending", "completed", "failed", "cancelled"]
RefundKind = Literal["return", "reversal"]
DeliveryStatus = Literal["assigned", "at_store", "picked_up", "delivered", "failed", "cancelled"]
DaySum = Literal["gross", "discounts", "charges", "tax", "rounding", "total", "tips", "refunds"]

Choices = TypeVar("Choices", bound=type[Any])


class CodesDiffer(TypeError):
    """Choices, or names, are not of the codes that they are said to be of."""


def codes_of(literal: Any) -> tuple[str, ...]:
    """The codes of one of the types above, in their order."""
    return get_args(literal)


def named(literal: Any) -> Callable[[Choices], Choices]:
    """A decorator for choices that name these codes. Raises :class:`CodesDiffer` for others."""

    def checked(choices: Choices) -> Choices:
        if (found := tuple(choices.values)) != codes_of(literal):
            raise CodesDiffer(
                f"{choices.__name__} has {', '.join(found)}; neural.restaurant.codes has "
                f"{', '.join(codes_of(literal))}: add the code in both, in the same order"
            )
        return choices

    return checked
