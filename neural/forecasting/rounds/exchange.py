"""A round's current exchange, and what a process caches from one exchange to the next.

The question and the server state are read once by each process, and so are its stores' rows: their
examples are made once for a round's hundred exchanges. All of it can be made again at any time."""

import datetime as dt
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np

from neural.forecasting.core.model_types import ModelType, model_type
from neural.forecasting.core.protocol import Json, Memory, Question, TrainingConfig
from neural.forecasting.core.series import Sales
from neural.forecasting.models import TrainingRound
from neural.kit.errors import PermanentError

CACHED_EXCHANGES = 4


class RoundUnknown(PermanentError):
    """There is no training round with this number."""


class ExchangeOver(PermanentError):
    """The round has left this exchange."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question, with everything that an answer is made from except a store's rows."""

    round_id: int
    opened_at: dt.datetime
    """When the round was opened. Each store trains up to the last business day that had ended."""
    dishes: int
    """The most dishes of a store."""
    number: int
    kind: ModelType
    config: TrainingConfig
    server_state: Json
    question: Question

    @property
    def adds_up(self) -> bool:
        """Whether stores of one trust domain add up their answers before they send them."""
        return self.question.together and self.kind.answer_together is not None


_lock = threading.Lock()
_exchanges: OrderedDict[tuple[int, int, dt.datetime | None], Exchange] = OrderedDict()


def light_round(round_id: int) -> TrainingRound:
    """The round without its server state, which may be large. Raises :class:`RoundUnknown`."""
    found = (
        TrainingRound.objects.defer("server_state", "question", "config")
        .filter(pk=round_id)
        .first()
    )
    if found is None:
        raise RoundUnknown(f"there is no training round {round_id}")
    return found


def exchange_of(training: TrainingRound) -> Exchange:
    """The exchange that this round was in when it was read. Raises :class:`ExchangeOver` if the
    round has left it."""
    key = (training.pk, training.exchange, training.exchange_opened_at)
    with _lock:
        if key in _exchanges:
            return _exchanges[key]
    asked = _read(training)
    with _lock:
        _exchanges[key] = asked
        while len(_exchanges) > CACHED_EXCHANGES:
            _exchanges.popitem(last=False)
    return asked


def _read(training: TrainingRound) -> Exchange:
    rows = TrainingRound.objects.filter(pk=training.pk, exchange=training.exchange)
    columns = rows.exclude(question=None).values("config", "server_state", "question", "model_type")
    row = columns.first()
    if row is None or row["question"] is None:
        raise ExchangeOver(f"round {training.pk} has left exchange {training.exchange}")
    return Exchange(
        round_id=training.pk,
        opened_at=training.opened_at,
        dishes=training.dishes_per_store,
        number=training.exchange,
        kind=model_type(row["model_type"]),
        config=TrainingConfig(**row["config"]),
        server_state=row["server_state"],
        question=Question.from_json(row["question"]),
    )


# The stores' data


Key: TypeAlias = tuple[int, dt.datetime, str]
"""Round, the time at which it was opened, and store."""


@dataclass(frozen=True)
class StoreData:
    """A store's sales, and the memory of its part."""

    sales: Sales
    memory: Memory = field(default_factory=dict)


class StoreCache:
    """A cache of the stores used last, up to a number of bytes. A store is taken out while it is
    worked on, so two threads never share its memory, and an error leaves nothing behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: OrderedDict[Key, tuple[StoreData, int]] = OrderedDict()
        self._bytes = 0

    def take(self, key: Key) -> StoreData | None:
        """Remove a store from the cache and return it; None if it is not there."""
        with self._lock:
            data, size = self._stores.pop(key, (None, 0))
            self._bytes -= size
        return data

    def put(self, key: Key, data: StoreData, *, limit: int) -> None:
        """Put a store into the cache; those used longest ago are dropped to stay within ``limit``
        bytes."""
        size = size_of(data)
        with self._lock:
            _, old = self._stores.pop(key, (None, 0))
            self._stores[key] = (data, size)
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


store_cache = StoreCache()
"""The cache of this process."""
