"""The admin of this project: its index is the console's home."""

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin with the console's home as its index."""

    default_site = "neural.monitoring.console.site.ConsoleSite"
