"""The admin's pages of webhooks."""

from neural.hooks.admin import incoming, outgoing  # noqa: F401
