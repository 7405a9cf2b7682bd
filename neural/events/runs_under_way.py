"""Runs at work, which may still write what they had read before, and waiting for them."""

from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from django.db.models import Q

from neural.models import TaskRun

Runs = Mapping[Any, Any]
"""Fencing tokens of runs by their keys: an attempt of each."""
LOOKS_EVERY = 0.2
"""Seconds between two looks."""


def runs_under_way(store: str = "") -> Runs:
    """The runs at work; with a store, its own runs and those that belong to no store."""
    runs = TaskRun.objects.running()
    runs = runs.filter(Q(store=store) | Q(store=None)) if store else runs
    return dict(runs.values_list("pk", "token"))


class RunsAwaited:
    """Waits for runs, for so many seconds in all."""

    def __init__(self, *, seconds: float) -> None:
        self._until = monotonic() + seconds
        self.unfinished: Runs = {}
        """The runs that had not ended when the last wait was over."""

    def wait_for(self, runs: Runs) -> None:
        """Return when these attempts have ended, or the time is over."""
        self.unfinished = _still(runs)
        while self.unfinished and monotonic() < self._until:
            sleep(LOOKS_EVERY)
            self.unfinished = _still(self.unfinished)


def _still(runs: Runs) -> Runs:
    now = runs_under_way() if runs else {}
    return {key: token for key, token in runs.items() if now.get(key) == token}
