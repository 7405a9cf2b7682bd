"""What a person may search: collections whose records they may see, rows of their own stores."""

from typing import Any

from neural.models import Store
from neural.models.store import sees_every_store
from neural.retrieval.collections.registry import SearchCollection, collections
from neural.retrieval.stores.base import Within


def searchable_by(user: Any) -> list[SearchCollection]:
    """The collections whose records this user may see."""
    return [each for each in collections() if may_see(user, each)]


def may_see(user: Any, collection: SearchCollection) -> bool:
    """Whether this user may see the collection's records, those of their stores at least."""
    return not collection.permission or user.has_perm(collection.permission)


def stores_of(user: Any) -> frozenset[str] | None:
    """Codes of the user's stores; None for one who sees every store."""
    if sees_every_store(user):
        return None
    return frozenset(Store.objects.for_user(user).values_list("pk", flat=True))


def within(stores: frozenset[str] | None) -> Within:
    """The same as a limit of queries."""
    return Within.every_store() if stores is None else Within.of_stores(stores)
