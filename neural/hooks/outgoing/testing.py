"""A test message: a delivery like any other, whose content is a greeting."""

from neural.hooks.models import Delivery, Subscription
from neural.hooks.models.outgoing import TEST_TYPE


def send_test(subscription: Subscription, *, by: str) -> Delivery:
    """Record a delivery of the type ``webhook.test``. A relay requests its run within a second or
    two; of a paused subscription, when it is resumed."""
    # Of one of its stores, so that a user who is limited to them sees what becomes of it.
    store = None if subscription.every_store else subscription.stores.order_by("pk").first()
    return Delivery.objects.create(
        subscription=subscription,
        store=store,
        type=TEST_TYPE,
        payload={"subscription": subscription.name, "sent_by": by},
    )
