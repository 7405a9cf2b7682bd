"""Subscriptions that send what the person who made them may no longer see.

A subscription belongs to the chain and outlives its maker's duties: a receiver must not fall silent
because somebody changes stores. But then another person has to answer for it.
"""

from django.db.models import Exists, OuterRef, Q

from neural.hooks.models import Subscription
from neural.models import Store
from neural.models.store import sees_every_store

MOST_LOOKED_AT = 100


def beyond_their_makers() -> list[Subscription]:
    """Active subscriptions with stores that their makers may not see now; at most
    :data:`MOST_LOOKED_AT` are looked at."""
    own = Store.objects.filter(pk=OuterRef("store_id"), operators=OuterRef(OuterRef("created_by")))
    sent = Subscription.stores.through.objects.filter(subscription=OuterRef("pk"))
    more = Q(every_store=True) | Exists(sent.filter(~Exists(own))) | Q(created_by__is_active=False)
    made = Subscription.objects.active().exclude(created_by=None).filter(more)
    found = made.defer("secrets").select_related("created_by").order_by("pk")[:MOST_LOOKED_AT]
    return [each for each in found if is_beyond_its_maker(each)]


def is_beyond_its_maker(subscription: Subscription) -> bool:
    """Whether its maker may not see all that it sends. Nobody knows that of one without a maker."""
    maker = subscription.created_by
    if maker is None or sees_every_store(maker):
        return False
    if subscription.every_store or not maker.is_active:
        return True
    others = subscription.stores.exclude(pk__in=Store.objects.filter(operators=maker).values("pk"))
    return others.exists()
