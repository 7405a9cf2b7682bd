"""``manage.py doctor``: see :mod:`neural.health.commands.doctor`."""

from neural.health.commands.doctor import Command

__all__ = ["Command"]
