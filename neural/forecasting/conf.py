"""The settings of federated training."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


class TrainingSettings(Settings):
    """The settings of training, a part of ``settings.NEURAL``."""

    training_memory_bytes: int = Field(default=320 * 1024 * 1024, ge=0)
    """How many bytes of its stores' data a worker process caches between a round's exchanges."""


conf = register_settings(TrainingSettings)
"""Returns the training settings in force."""
