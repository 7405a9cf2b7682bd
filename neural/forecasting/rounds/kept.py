"""What a process keeps of its stores from one exchange to the next, within bounds.

To a round's hundred exchanges a store's rows are read and its examples made once a process, not
once an exchange. All of it can be made again at any time.
"""

import datetime as dt
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np

from neural.forecasting.core.protocol import Memory
from neural.forecasting.core.series import Sales

Key: TypeAlias = tuple[int, dt.datetime, str]
"""Round, when it was opened, and store."""


@dataclass(frozen=True)
class Kept:
    """A store's sales, and what its part remembers."""

    sales: Sales
    memory: Memory = field(default_factory=dict)


class KeptStores:
    """The stores used last, up to a number of bytes. Whoever works with a store takes it out,
    so that two threads never share one's memory; an error on the way leaves nothing behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()
        self._bytes = 0

    def take(self, key: Key) -> Kept | None:
        """Take a store out; None if it is not there."""
        with self._lock:
            kept, size = self._stores.pop(key, (None, 0))
            self._bytes -= size
        return kept

    def put(self, key: Key, kept: Kept, *, limit: int) -> None:
        """Keep a store; those used longest ago make room for it."""
        size = size_of(kept)
        with self._lock:
            _, old = self._stores.pop(key, (None, 0))
            self._stores[key] = (kept, size)
            self._bytes += size - old
            while self._bytes > limit and self._stores:
                _, (_, freed) = self._stores.popitem(last=False)
                self._bytes -= freed

    def forget(self, round_id: int) -> None:
        """A round has ended."""
        with self._lock:
            for key in [each for each in self._stores if each[0] == round_id]:
                self._bytes -= self._stores.pop(key)[1]

    def clear(self) -> None:
        """No round is under way that this process knows of."""
        with self._lock:
            self._stores.clear()
            self._bytes = 0


def size_of(value: Any) -> int:
    """About how many bytes a value keeps: arrays, and what holds them."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes) + 100
    if isinstance(value, Mapping):
        return 100 + sum(size_of(each) for each in value.values())
    if isinstance(value, list | tuple):
        return 60 + sum(size_of(each) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        return 100 + sum(size_of(getattr(value, each.name)) for each in fields(value))
    return sys.getsizeof(value)


kept_stores = KeptStores()
"""Those of this process."""
