"""``manage.py erase_person``: see :mod:`neural.personal.commands.erase_person`."""

from neural.personal.commands.erase_person import Command

__all__ = ["Command"]
