"""The settings of federated training."""

from pydantic import Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings


class TrainingSettings(Settings):
    """The settings of training, a part of ``settings.NEURAL``."""

    training_memory_bytes: int = Field(default=320 * 1024 * 1024, ge=0)
    """Memory in which the run of a training round keeps stores' examples from one exchange to the
    next. Examples beyond it are made again when needed."""


conf = register_settings(TrainingSettings)
"""Returns the training settings in force."""
