"""What a person may search: collections whose records they may see, rows of their own stores."""

from collections.abc import Mapping
from typing import Any

from neural.models import Store
from neural.models.store import sees_every_store
from neural.vectors.collections import SearchCollection, collections
from neural.vectors.stores.base import Within

_OURS: Mapping[str, str] = {
    "dishes": "neural.view_dish",
    "events": "neural.view_neuralevent",
    "orders": "neural.view_order",
    "staff": "neural.view_shift",
}
"""What the collections that come with the app need, whoever registered them."""


def searchable_by(user: Any) -> list[SearchCollection]:
    """The collections whose records this user may see."""
    return [each for each in collections() if may_see(user, each)]


def may_see(user: Any, collection: SearchCollection) -> bool:
    """Whether this user may see the collection's records, those of their stores at least."""
    permission = collection.permission or _OURS.get(collection.name)
    return not permission or user.has_perm(permission)


def stores_of(user: Any) -> frozenset[str] | None:
    """Codes of the user's stores; None for one who sees every store."""
    if sees_every_store(user):
        return None
    return frozenset(Store.objects.for_user(user).values_list("pk", flat=True))


def within(stores: frozenset[str] | None) -> Within:
    """The same as a limit of queries."""
    return Within.every_store() if stores is None else Within.of_stores(stores)
