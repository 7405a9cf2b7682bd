"""Alerts: rules, their life, and the messages that tell people of them."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.monitoring.alerts.connecting import connect_rules, connect_sending

    connect_rules()
    connect_sending()
