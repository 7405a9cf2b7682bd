"""``manage.py submit_event``: see :mod:`neural.events.commands.submit_event`."""

from neural.events.commands.submit_event import Command

__all__ = ["Command"]
