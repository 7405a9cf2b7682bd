"""The admin pages of monitoring's rows."""

from neural.monitoring.admin import alert_messages, alert_rules, alerts, channels

__all__ = ["alert_messages", "alert_rules", "alerts", "channels"]
