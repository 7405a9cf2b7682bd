"""Which walks serve a list as it was asked for: by whom, with which filters and which search."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neural.admin.walks import Walk
from neural.models import Store
from neural.models.store import sees_every_store

STORE = "store"
"""The parameter by which lists are limited to a store; a user's scope is the same limit."""


SEARCHED = "searched"
"""That the store was typed into the search."""


class WholeNumbers:
    """Every text that is a number of a row."""

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19


def by_store(*order: str, **options: Any) -> Walk:
    """The index of a table that begins with the store."""
    return Walk(parameter=STORE, column=STORE, order=order or ("-pk",), **options)


def plan(walks: Sequence[Walk], chosen: Mapping[str, str], *, user: Any) -> dict[str, Any]:
    """The walks of a query, the most telling first, and all by which it leaves rows out.

    Who sees few stores has chosen these, whatever else is chosen.
    """
    limits = {name for name, value in chosen.items() if value}
    stores = stores_of(chosen, user=user)
    limits |= set() if stores is None else {STORE}
    found = (_chosen(walk, chosen, stores) for walk in walks)
    return {"walks": [walk for walk in found if walk], "limits": limits}


def stores_of(chosen: Mapping[str, str], *, user: Any) -> Sequence[str] | None:
    """The stores of which a list shows rows; None where it shows those of all."""
    stores = [chosen[STORE]] if chosen.get(STORE) else None
    if sees_every_store(user):
        return stores
    own = list(Store.objects.for_user(user).values_list("pk", flat=True))
    return own if stores is None else [code for code in stores if code in own]


def _chosen(walk: Walk, chosen: Mapping[str, str], stores: Sequence[str] | None) -> Walk | None:
    if walk.parameter == STORE:
        # Of one chosen store alone: without one, lists have no filter of days.
        day = chosen.get(walk.day) if chosen.get(STORE) and SEARCHED not in chosen else None
        walk = walk.on_day(day) if day else walk
        return None if stores is None else replace(walk, prefixes=stores)
    value = chosen.get(walk.parameter)
    return walk.along(value) if value and walk.serves(value) else None
