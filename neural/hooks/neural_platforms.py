"""The built-in platforms. An app adds its own in a module of this name."""

from neural.hooks.platforms.base import register_platform
from neural.hooks.platforms.standard import StandardWebhooks

register_platform(StandardWebhooks())
