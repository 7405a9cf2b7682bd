"""Error groups: failed attempts with the same cause are counted together.

:func:`~neural.monitoring.errors.fingerprint.cause_of` makes a fingerprint of an exception's facts,
:func:`~neural.monitoring.errors.grouping.group_failures` is the relays' duty that reads failed
attempts, and :mod:`~neural.monitoring.errors.groups` is what pages read. The admin, the home, the
list of runs and Sentry use it.
"""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.monitoring.errors import acting
    from neural.monitoring.errors.grouping import group_when_due
    from neural.worker.relay import register_duty

    acting.connect()
    register_duty("error groups", group_when_due)
