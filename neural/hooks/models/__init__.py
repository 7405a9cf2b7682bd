"""The models of webhooks, by direction."""

from neural.hooks.models.incoming import PushState, StoreCode, UnroutedPush, WebhookSource
from neural.hooks.models.outgoing import Delivery, DeliveryState, Subscription, SubscriptionState

__all__ = [
    "Delivery",
    "DeliveryState",
    "PushState",
    "StoreCode",
    "Subscription",
    "SubscriptionState",
    "UnroutedPush",
    "WebhookSource",
]
