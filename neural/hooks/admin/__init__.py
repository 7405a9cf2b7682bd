"""The admin's pages of webhooks: what is received, and what we call.

Its main names are ``WebhookSourceAdmin`` (platforms that push to us), ``UnroutedPushAdmin`` (pushes
that wait for their store) and ``SubscriptionAdmin`` (whom we call). Django loads it with the other
admin modules; nobody else imports it.
"""

from neural.admin.tabs import register_tab
from neural.hooks.admin import deliveries, reconciliations, sources, subscriptions, unrouted

__all__ = ["deliveries", "reconciliations", "sources", "subscriptions", "unrouted"]

register_tab("chain", "neural_hooks.webhooksource", place=30, also=("neural_hooks",))
register_tab("chain", "neural_hooks.subscription", place=40, also=("neural_hooks.delivery",))
