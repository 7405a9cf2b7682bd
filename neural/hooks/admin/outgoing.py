"""Webhooks that we call, in the admin: subscriptions, and their deliveries."""

from neural.hooks.admin import deliveries, subscriptions

__all__ = ["deliveries", "subscriptions"]
