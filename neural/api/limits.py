"""Limits how much one key may send."""

from typing import Any


def charge(caller: Any, cost: int) -> None:
    """Charge ``cost`` events or requests to the caller's key; raises ``ApiProblem`` 429."""
