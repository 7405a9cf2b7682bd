"""The admin's pages of webhooks."""

from neural.hooks.admin import incoming  # noqa: F401
