"""Connects deliveries with the core: what it calls, and when."""

from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _

from neural.events.insertion import register_insert_hook
from neural.health import register_check
from neural.hooks.conf import conf
from neural.hooks.health import DELIVERIES
from neural.hooks.models import Delivery, SubscribedType, Subscription
from neural.hooks.outgoing import subscribed
from neural.hooks.outgoing.recording import EVENT_DELIVERIES, record_outcomes
from neural.hooks.outgoing.scheduling import request_deliveries
from neural.ledger.ports import when_ended
from neural.ledger.prune import Prunable, register_prunable
from neural.worker.relay import register_duty

OLD_DELIVERIES = Prunable(
    name="webhook deliveries",
    label=_("webhook deliveries"),
    which="webhook deliveries that are older than the setting hook_deliveries_kept_days",
    model=Delivery,
    made_at="created_at",
    kept_days=lambda: conf().hook_deliveries_kept_days,
)


def connect() -> None:
    """Register everything; call it when the app is ready."""
    register_insert_hook("webhooks", EVENT_DELIVERIES)
    when_ended("webhooks", record_outcomes)
    register_duty("webhooks", request_deliveries)
    register_check(DELIVERIES)
    register_prunable(OLD_DELIVERIES)
    for model in (Subscription, SubscribedType):
        for signal in (post_save, post_delete):
            signal.connect(subscribed.changed, sender=model, dispatch_uid=f"neural_hooks_{model}")
