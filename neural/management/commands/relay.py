"""``manage.py relay``: see :mod:`neural.worker.commands.relay`."""

from neural.worker.commands.relay import Command

__all__ = ["Command"]
