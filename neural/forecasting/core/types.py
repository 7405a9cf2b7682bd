"""Model types: what can be trained across stores, by name. Pure.

A type is a program (the coordinator's arithmetic), a store's part, and how a finished model
forecasts. ``demand_forecast`` comes with the app; an installed app may register its own in its
``neural_handlers.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from neural.errors import PermanentError
from neural.forecasting.core.protocol import (
    Answer,
    AnswerTogether,
    Json,
    Program,
    Question,
    TrainingConfig,
)
from neural.forecasting.core.series import Sales
from neural.registry import Registry


class ModelTypeUnknown(PermanentError):
    """No installed app registered a model type of this name."""


class DishForecast(NamedTuple):
    """What is expected of one dish on the ``HORIZONS`` days after the origin, in portions.

    None stands for a day on which the store is closed.
    """

    dish: str
    method: str
    """A code of ``forecasting.models.forecast.FORECAST_METHODS``, or one of the type's own."""
    mean: Sequence[float | None]
    p10: Sequence[float | None]
    p50: Sequence[float | None]
    p90: Sequence[float | None]
    uses_version: bool = True
    """Whether the model had a part in it: a simple rule needs none."""


Forecasting: TypeAlias = Callable[[Json | None, Sales], Sequence[DishForecast]]
"""``forecast(content, sales)``: from the model in force, or without one by a simple rule."""


def _unknown(_: TrainingConfig) -> int:
    return 0


def _never(_: Question) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """What may be trained under a name."""

    name: str
    label: Any
    """What people call it; may be translated lazily."""
    program: Program
    answer: Answer
    answer_together: AnswerTogether | None = None
    """For questions asked ``together``."""
    schema_hash: str = ""
    """Of the features: a version made with others is not to be used."""
    forecast: Forecasting | None = None
    expected_exchanges: Callable[[TrainingConfig], int] = _unknown
    """About how many exchanges a round will have, for progress; 0: not known."""
    releases: Callable[[Question], bool] = _never
    """Whether the answers to a question become a noisy release, when noise is asked for. What it
    costs is written down before the program is given the answers."""


TYPES: Registry[ModelType] = Registry("model type", unknown=ModelTypeUnknown)


def register_model_type(kind: ModelType) -> ModelType:
    """Make a type known. The name must be new."""
    return TYPES.add(kind.name, kind)


def model_type(name: str) -> ModelType:
    """The registered type of this name, or :class:`ModelTypeUnknown`."""
    return TYPES.get(name)


def label_of(name: str) -> str:
    """What people call the type; its name if its app is no longer installed."""
    kind = TYPES.find(name)
    return str(kind.label) if kind else name


def can_forecast(name: str) -> bool:
    """Whether models of this type forecast; not if its app is no longer installed."""
    kind = TYPES.find(name)
    return kind is not None and kind.forecast is not None


def model_types() -> list[ModelType]:
    """All registered types by name."""
    return TYPES.by_name()
