"""How messages are written and sent, by the kind of channel.

``robots`` and ``webhook`` build requests in their platforms' own formats, limits and signatures and
read the answers; ``delivering`` sends by every kind, e-mail and Apprise too; ``base`` has what
a :class:`~neural.monitoring.alerts.channels.base.Message` is. ``alerts.sending`` uses it.
"""
