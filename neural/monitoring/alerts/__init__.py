"""Alerts: relays judge rules, keep alerts in line with what they find, and tell people of them.

``rules`` says what is wrong (:class:`~neural.monitoring.alerts.rules.Rule`), ``evaluating`` leads
an alert from its start to its end, and ``news`` and ``sending`` bring the messages to channels.
The examination of relays calls ``evaluate``; the console and the admin read alerts by ``texts``.
"""
