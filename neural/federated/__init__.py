"""Demand forecasts, trained across stores: a store's rows stay in its task.

Its public names are what a model type of one's own is made with.
"""

from typing import TYPE_CHECKING, Any

from neural.lazy import look_up

if TYPE_CHECKING:
    from neural.federated.model_types import DishForecast, ModelType, register_model_type
    from neural.federated.protocol import (
        AnswerRefused,
        NotEnoughHistory,
        Program,
        Question,
        Step,
        Together,
        TrainingConfig,
    )
    from neural.federated.series import Sales
    from neural.federated.simulation import simulate

_HOMES = {
    "AnswerRefused": "neural.federated.protocol",
    "DishForecast": "neural.federated.model_types",
    "ModelType": "neural.federated.model_types",
    "NotEnoughHistory": "neural.federated.protocol",
    "Program": "neural.federated.protocol",
    "Question": "neural.federated.protocol",
    "Sales": "neural.federated.series",
    "Step": "neural.federated.protocol",
    "Together": "neural.federated.protocol",
    "TrainingConfig": "neural.federated.protocol",
    "register_model_type": "neural.federated.model_types",
    "simulate": "neural.federated.simulation",
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
