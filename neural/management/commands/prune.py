"""``manage.py prune``: see :mod:`neural.ledger.commands.prune`."""

from neural.ledger.commands.prune import Command

__all__ = ["Command"]
