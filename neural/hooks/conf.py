"""The settings of webhooks."""

from pydantic import Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings
from neural.queues import DEFAULT_QUEUE


class HookSettings(Settings):
    """The settings of webhooks, in ``NEURAL``."""

    hook_tolerance_seconds: float = Field(default=300, gt=0)
    """How far the time in a push's signature may be from ours, in either direction."""
    hook_public_url: str = ""
    """The address under which platforms reach this project, like ``https://chain.example.com``;
    some signatures cover it. None: the address of the request."""
    hook_give_up_seconds: float = Field(default=3 * 24 * 3600, gt=0)
    """A delivery that has failed for this long is given up, and its subscription is paused."""
    hook_fetches_per_second: float = Field(default=5, gt=0)
    """How often each process asks a platform for details, for each source; ten at once may exceed
    it."""
    hook_pushes_kept_days: float = Field(default=7, gt=0)
    """How long the raw text of a push is kept, which may name guests. The events that were made of
    it stay, and so do pushes that wait for a person."""
    hook_reconciliations_kept_days: float = Field(default=90, ge=0)
    """How long the reports are kept of what was missed."""
    hook_concurrency: int = Field(default=4, ge=1)
    """How many deliveries of one subscription are sent at the same time; of one whose receiver
    fails or is slow, only one."""
    hook_queue: str = DEFAULT_QUEUE
    """The queue of the runs that deliver."""
    hook_deliveries_kept_days: float = Field(default=30, ge=0)
    """How long deliveries are kept, also those that wait for a paused subscription."""


conf = register_settings(HookSettings)
"""The webhook settings in force."""
