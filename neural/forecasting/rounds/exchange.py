"""The exchange that a round has come to: its question and server state, read once a process."""

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
    """There is no round of this number."""


class ExchangeOver(PermanentError):
    """Meanwhile the round has moved on."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What is asked, and all that an answer is made from besides a store's rows."""

    round_id: int
    opened_at: dt.datetime
    """When the round was: each store trains to the last business day that had ended by then."""
    dishes: int
    """At most so many of a store's dishes."""
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
    """The round without its server state, which may be large."""
    found = (
        TrainingRound.objects.defer("server_state", "question", "config")
        .filter(pk=round_id)
        .first()
    )
    if found is None:
        raise RoundUnknown(f"there is no training round {round_id}")
    return found


def exchange_of(training: TrainingRound) -> Exchange:
    """The exchange that this round, as it was read, has come to."""
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
