"""Links between orders: split, replaced and merged ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import link
from neural.restaurant.keys import number_of
from neural.restaurant.models import Order

MOST_LINKS = 50

FORWARD = {
    "split_from": _("split from"),
    "replaces": _("replaces"),
    "merged_into": _("merged into"),
}
BACKWARD = {
    "split_from": _("split off"),
    "replaces": _("replaced by"),
    "merged_into": _("merged into this one"),
}


@dataclass(frozen=True)
class OtherOrder:
    """What another order has to do with this one, and a link to it."""

    relation: Any
    link: SafeString | str


def other_orders(order: Order) -> Sequence[OtherOrder]:
    """The orders that this one names, then those that name it."""
    named = {name: getattr(order, name) for name in FORWARD if getattr(order, name)}
    rows = Order.objects.filter(store=order.store_id, key__in=named.values())
    known = {row.key: row for row in rows}
    found = [OtherOrder(FORWARD[name], _linked(key, known.get(key))) for name, key in named.items()]
    for row in Order.objects.referring_to(order).order_by("pk")[:MOST_LINKS]:
        relations = [label for name, label in BACKWARD.items() if getattr(row, name) == order.key]
        found += [OtherOrder(label, link(row)) for label in relations]
    return found


def _linked(key: str, order: Order | None) -> SafeString | str:
    """A link to the order; its number if it is not known yet."""
    if order is None:
        return format_html("{} <small>{}</small>", number_of(key), _("not known"))
    return link(order)
