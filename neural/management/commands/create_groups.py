"""``manage.py create_groups``: see :mod:`neural.groups.commands.create_groups`."""

from neural.groups.commands.create_groups import Command

__all__ = ["Command"]
