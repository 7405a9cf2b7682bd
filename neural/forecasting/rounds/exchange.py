"""A round's current exchange: its question and server state, read once by each process."""

import datetime as dt
import threading
from collections import OrderedDict
from dataclasses import dataclass

from neural.errors import PermanentError
from neural.forecasting.core.protocol import Json, Question, TrainingConfig
from neural.forecasting.core.types import ModelType, model_type
from neural.forecasting.models import TrainingRound

KEPT_EXCHANGES = 4


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
_kept: OrderedDict[tuple[int, int, dt.datetime | None], Exchange] = OrderedDict()


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
        if key in _kept:
            return _kept[key]
    asked = _read(training)
    with _lock:
        _kept[key] = asked
        while len(_kept) > KEPT_EXCHANGES:
            _kept.popitem(last=False)
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
