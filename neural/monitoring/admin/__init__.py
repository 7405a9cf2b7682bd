"""The admin pages of monitoring's rows, and the console's pages."""

from neural.monitoring.admin import retention
from neural.monitoring.console import home, tabs

__all__ = ["home", "retention", "tabs"]
