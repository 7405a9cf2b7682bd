"""The settings of training."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


class TrainingSettings(Settings):
    """Those of training, in ``NEURAL``."""

    training_memory_bytes: int = Field(default=320 * 1024 * 1024, ge=0)
    """What a worker process keeps of its stores from one exchange of a round to the next."""


conf = register_settings(TrainingSettings)
"""The settings of training in force."""
