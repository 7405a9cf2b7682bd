"""The admin's pages of webhooks: sources and pushes that come in, subscriptions and deliveries.

``sources``, ``codes`` and ``unrouted`` are of what platforms push to us; ``subscriptions`` and
``deliveries`` of what we push to others. Django's admin loads this package.
"""

from neural.hooks.admin import codes, deliveries, sources, subscriptions, unrouted

__all__ = ["codes", "deliveries", "sources", "subscriptions", "unrouted"]
