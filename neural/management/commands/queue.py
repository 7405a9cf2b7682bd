"""``manage.py queue``: see :mod:`neural.queues.commands.queue`."""

from neural.queues.commands.queue import Command

__all__ = ["Command"]
