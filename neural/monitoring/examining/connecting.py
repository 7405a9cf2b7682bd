"""Connects examinations with the relays."""


def connect() -> None:
    """Register the relay's duty; called when the app is ready."""
    from neural.monitoring.examining.duty import examine_when_due
    from neural.worker.relay import register_duty

    register_duty("examination", examine_when_due)
