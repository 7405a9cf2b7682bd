"""The Django models of training and forecasts.

A ``TrainingPlan`` says how a model type is trained, a ``TrainingRound`` is one training with each
store's ``StoreUpdate``, and a ``ModelVersion`` is what it made. ``rounds`` writes them, ``outlook``
keeps each ``Forecast`` and its ``ForecastAccuracy``, and the admin shows all.
"""

from neural.forecasting.models.accuracy import ForecastAccuracy
from neural.forecasting.models.plan import Publishing, TrainingPlan
from neural.forecasting.models.round import RoundState, RoundTransition, TrainingRound
from neural.forecasting.models.store_update import StoreUpdate, UpdateState
from neural.forecasting.models.version import ActiveModel, Forecast, ModelVersion, Standing

__all__ = [
    "ActiveModel",
    "Forecast",
    "ForecastAccuracy",
    "ModelVersion",
    "Publishing",
    "RoundState",
    "RoundTransition",
    "Standing",
    "StoreUpdate",
    "TrainingPlan",
    "TrainingRound",
    "UpdateState",
]
