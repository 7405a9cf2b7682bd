"""The admin pages of monitoring's rows, and the console's pages."""

from neural.monitoring.console import home, queues, tabs, workers

__all__ = ["home", "queues", "tabs", "workers"]
