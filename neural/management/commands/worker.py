"""``manage.py worker``: see :mod:`neural.worker.commands.worker`."""

from neural.worker.commands.worker import Command

__all__ = ["Command"]
