"""The registry of model types: what can be trained across stores, by name. Pure.

A type has a program (the coordinator's arithmetic), a function for a store's part, and a function
by which a finished model forecasts. ``demand_forecast`` comes with the app. An installed app may
register its own types in its ``neural_handlers.py``, and try one by ``participant.simulate``."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from neural.forecasting.core.protocol import (
    Answer,
    AnswerTogether,
    Json,
    Program,
    TrainingConfig,
)
from neural.forecasting.core.series import Sales
from neural.kit.errors import PermanentError
from neural.kit.registry import Registry


class ModelTypeUnknown(PermanentError):
    """No installed app registered a model type of this name."""


class DishForecast(NamedTuple):
    """The forecast of one dish for each of the ``HORIZONS`` days after the origin, in portions.

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
    """Whether the model contributed to the forecast; False for a simple rule."""
    unconfirmed: Sequence[tuple[dt.date, float, float]] = ()
    """The days that would move the forecast further than it was moved, until a person confirms
    them: day, reported quantity, usual quantity."""


Forecasting: TypeAlias = Callable[[Json | None, Sales], Sequence[DishForecast]]
"""``forecast(content, sales)``: the forecasts of a store's dishes.

``content`` is the version in force; None: forecast by a simple rule."""


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """A kind of model that can be trained, under its name."""

    name: str
    label: Any
    """The name shown to people; may be translated lazily."""
    program: Program
    answer: Answer
    answer_together: AnswerTogether | None = None
    """The part of several stores added up, for questions that are asked ``together``."""
    schema_hash: str = ""
    """Hash of the features. A version made with other features is not used."""
    forecast: Forecasting | None = None
    expected_exchanges: Callable[[TrainingConfig], int] = lambda _: 0
    """About how many exchanges a round will have, to show progress; 0: not known."""


TYPES: Registry[ModelType] = Registry("model type", unknown=ModelTypeUnknown)


def register_model_type(kind: ModelType) -> ModelType:
    """Register a model type and return it. Its name must be new."""
    return TYPES.add(kind.name, kind)


def model_type(name: str) -> ModelType:
    """The registered type of this name. Raises :class:`ModelTypeUnknown` if there is none."""
    return TYPES.get(name)


def label_of(name: str) -> str:
    """The type's label for people; its plain name if its app is no longer installed."""
    kind = TYPES.find(name)
    return str(kind.label) if kind else name


def can_forecast(name: str) -> bool:
    """Whether models of this type forecast; False if the type's app is no longer installed."""
    kind = TYPES.find(name)
    return kind is not None and kind.forecast is not None


def model_types() -> list[ModelType]:
    """All registered types, ordered by name."""
    return TYPES.by_name()
