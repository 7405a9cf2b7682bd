"""Which features a round trains with: the newest that every worker knows.

During a deployment, workers of the version before run beside new ones. They could neither answer
the questions of a round with newer features, nor forecast with its model. So such a round is opened
only when they have stopped; until then, rounds train with the features that all workers know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.core.types import ModelType, model_types
from neural.models import WorkerProcess
from neural.queues import LOW_PRIORITY_QUEUE

REGISTERED = "features"
"""The key in a worker's row of the features that it knows, by model type."""


def registered_features() -> Mapping[str, Sequence[str]]:
    """By model type, the hashes of the features that this process knows: for its worker's row."""
    return {kind.name: list(kind.schemas) for kind in model_types()}


def newest_known(kind: ModelType) -> str:
    """The hash of the newest features of a model type that all living workers of training know. A
    worker whose row does not tell knows the oldest."""
    oldest, *newer = kind.schemas
    if not newer:
        return oldest
    told = [_told(registered, kind) for registered in _workers()]
    return next((each for each in reversed(newer) if all(each in known for known in told)), oldest)


def _workers() -> list[Any]:
    """What the living workers that take runs of training have registered."""
    rows = WorkerProcess.objects.present().values_list("queues", "registered")
    return [registered for queues, registered in rows if LOW_PRIORITY_QUEUE in queues]


def _told(registered: Any, kind: ModelType) -> Sequence[str]:
    known: Sequence[str] = ((registered or {}).get(REGISTERED) or {}).get(kind.name, ())
    return known


def kept_config(config: TrainingConfig, kind: ModelType) -> dict[str, Any]:
    """The settings as the round's row keeps them. A worker that knows the oldest features alone
    takes no setting that names any."""
    kept = asdict(config)
    if config.features == kind.schemas[0]:
        del kept["features"]
    return kept
