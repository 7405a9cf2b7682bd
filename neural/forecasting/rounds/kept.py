"""A process's bounded cache of its stores' data, from one exchange of a round to the next.

With it, each process reads a store's rows and makes its examples once for a round's hundred
exchanges. All of it can be made again at any time.
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
"""Round, the time at which it was opened, and store."""


@dataclass(frozen=True)
class Kept:
    """A store's sales, and the memory of its part."""

    sales: Sales
    memory: Memory = field(default_factory=dict)


class KeptStores:
    """A cache of the stores used last, up to a number of bytes. A store is taken out while it is
    worked on, so two threads never share its memory, and an error leaves nothing behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: OrderedDict[Key, tuple[Kept, int]] = OrderedDict()
        self._bytes = 0

    def take(self, key: Key) -> Kept | None:
        """Remove a store from the cache and return it; None if it is not there."""
        with self._lock:
            kept, size = self._stores.pop(key, (None, 0))
            self._bytes -= size
        return kept

    def put(self, key: Key, kept: Kept, *, limit: int) -> None:
        """Put a store into the cache; those used longest ago are dropped to stay within ``limit``
        bytes."""
        size = size_of(kept)
        with self._lock:
            _, old = self._stores.pop(key, (None, 0))
            self._stores[key] = (kept, size)
            self._bytes += size - old
            while self._bytes > limit and self._stores:
                _, (_, freed) = self._stores.popitem(last=False)
                self._bytes -= freed

    def forget(self, round_id: int) -> None:
        """Drop the stores of a round that has ended."""
        with self._lock:
            for key in [each for each in self._stores if each[0] == round_id]:
                self._bytes -= self._stores.pop(key)[1]

    def clear(self) -> None:
        """Drop all stores."""
        with self._lock:
            self._stores.clear()
            self._bytes = 0


def size_of(value: Any) -> int:
    """About how many bytes a value occupies: arrays, and the containers around them."""
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
"""The cache of this process."""
