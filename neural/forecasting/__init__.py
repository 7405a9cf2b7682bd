"""Demand forecasts, trained across the stores of a database in one run.

``core`` has the arithmetic, ``rounds`` trains, and ``outlook`` makes and reviews forecasts. Apps
that keep sales register them in ``sources``; the console, the API and the nightly schedule use it.

The public names of this package are for writing your own model type.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.forecasting.core.model_types import (
        DishForecast,
        ModelType,
        register_model_type,
    )
    from neural.forecasting.core.participant import simulate
    from neural.forecasting.core.protocol import (
        AnswerRefused,
        NotEnoughHistory,
        Program,
        Question,
        Step,
        Together,
        TrainingConfig,
    )
    from neural.forecasting.core.series import Sales

_HOMES = {
    "AnswerRefused": "neural.forecasting.core.protocol",
    "DishForecast": "neural.forecasting.core.model_types",
    "ModelType": "neural.forecasting.core.model_types",
    "NotEnoughHistory": "neural.forecasting.core.protocol",
    "Program": "neural.forecasting.core.protocol",
    "Question": "neural.forecasting.core.protocol",
    "Sales": "neural.forecasting.core.series",
    "Step": "neural.forecasting.core.protocol",
    "Together": "neural.forecasting.core.protocol",
    "TrainingConfig": "neural.forecasting.core.protocol",
    "register_model_type": "neural.forecasting.core.model_types",
    "simulate": "neural.forecasting.core.participant",
}

__all__ = [
    "AnswerRefused",
    "DishForecast",
    "ModelType",
    "NotEnoughHistory",
    "Program",
    "Question",
    "Sales",
    "Step",
    "Together",
    "TrainingConfig",
    "register_model_type",
    "simulate",
]


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
