"""The admin's pages of receiving: sources, store codes, and pushes that wait for their store."""

from neural.hooks.admin import codes, sources, unrouted

__all__ = ["codes", "sources", "unrouted"]
