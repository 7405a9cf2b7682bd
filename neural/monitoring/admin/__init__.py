"""The admin pages of monitoring's rows."""

from neural.monitoring.admin import alert_rules, alerts

__all__ = ["alert_rules", "alerts"]
