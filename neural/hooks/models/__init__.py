"""The models of webhooks, by direction."""

from neural.hooks.models.incoming import (
    PushState,
    Reconciliation,
    ReconciliationState,
    StoreCode,
    UnroutedPush,
    WebhookSource,
)
from neural.hooks.models.outgoing import (
    Delivery,
    DeliveryState,
    PauseReason,
    SubscribedType,
    Subscription,
    SubscriptionState,
)

__all__ = [
    "Delivery",
    "DeliveryState",
    "PauseReason",
    "PushState",
    "Reconciliation",
    "ReconciliationState",
    "StoreCode",
    "SubscribedType",
    "Subscription",
    "SubscriptionState",
    "UnroutedPush",
    "WebhookSource",
]
