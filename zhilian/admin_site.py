"""The admin of this project: its index is the console's home."""

from django.contrib.admin.apps import SimpleAdminConfig


class ConsoleAdminConfig(SimpleAdminConfig):
    """Django's admin with the console's home as its index. `urls.py` loads the pages, so that
    workers and beat, which show none, do not."""

    default_site = "neural.monitoring.console.site.ConsoleSite"
