"""The admin pages of monitoring's rows."""

from neural.monitoring.admin import errors  # noqa: F401
