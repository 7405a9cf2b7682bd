"""Chooses the walks that serve a list, from the user, the filters and the search term."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neural.kit.keyset.walks import Walk
from neural.models.store import visible_stores

STORE = "store"
"""The parameter that limits a list to a store; a user's own stores are the same limit."""


SEARCHED = "searched"
"""The parameter which says that the store was typed into the search."""


class WholeNumbers:
    """A container of every text that is a row's number."""

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19


def by_store(*order: str, **options: Any) -> Walk:
    """A walk along the table's index that begins with the store."""
    return Walk(parameter=STORE, column=STORE, order=order or ("-pk",), **options)


def plan(walks: Sequence[Walk], chosen: Mapping[str, str], *, user: Any) -> dict[str, Any]:
    """The walks for a query, the most selective first, and the names of all its limits.

    For a user of a few stores, these stores are always among the limits.
    """
    limits = {name for name, value in chosen.items() if value}
    stores = stores_of(chosen, user=user)
    limits |= set() if stores is None else {STORE}
    found = (_chosen(walk, chosen, stores) for walk in walks)
    return {"walks": [walk for walk in found if walk], "limits": limits}


def stores_of(chosen: Mapping[str, str], *, user: Any) -> Sequence[str] | None:
    """The stores whose rows a list shows; None if it shows the rows of all stores."""
    stores = [chosen[STORE]] if chosen.get(STORE) else None
    own = visible_stores(user)
    if own is None:
        return stores
    return own if stores is None else [code for code in stores if code in own]


def _chosen(walk: Walk, chosen: Mapping[str, str], stores: Sequence[str] | None) -> Walk | None:
    if walk.also and not walk.serves(chosen.get(walk.also, "")):
        return None
    if walk.parameter == STORE:
        # Only if one store was chosen as a filter: lists without it have no filter of days.
        day = chosen.get(walk.day) if chosen.get(STORE) and SEARCHED not in chosen else None
        walk = walk.on_day(day) if day else walk
        return None if stores is None else replace(walk, prefixes=stores)
    value = chosen.get(walk.parameter, "")
    return walk.along(value) if walk.serves(value) else None
