"""Examinations: a relay runs the probes of doctor every few seconds, and stores what they find.

:func:`~neural.monitoring.examining.duty.examination` is one of them, in steps that are each short;
:class:`~neural.monitoring.examining.duty.Examining` is the relay's duty, which takes turns by a
lease; :func:`~neural.monitoring.examining.facts.facts_of` says what is stored of queues and
processes. The home, metrics and the rules of alerts read the row that they leave.
"""


def connect() -> None:
    """Register the relay's duty; called when the app is ready."""
    from neural.monitoring.examining.duty import examine_when_due
    from neural.worker.relay import register_duty

    register_duty("examination", examine_when_due)
