"""The admin's pages of webhooks."""

from neural.hooks.admin import outgoing  # noqa: F401
