"""The admin pages of monitoring's rows."""

from neural.monitoring.admin import alert_messages, channels

__all__ = ["alert_messages", "channels"]
