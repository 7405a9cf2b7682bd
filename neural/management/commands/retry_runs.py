"""``manage.py retry_runs``: see :mod:`neural.runs.commands.retry_runs`."""

from neural.runs.commands.retry_runs import Command

__all__ = ["Command"]
