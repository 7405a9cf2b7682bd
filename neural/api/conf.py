"""The settings of the HTTP API."""

from pydantic import Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings


class ApiSettings(Settings):
    """The settings of the HTTP API, in ``NEURAL``."""

    api_batch_events: int = Field(default=10_000, ge=1)
    """The most events of one batch."""
    api_batch_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """The largest body of a batch."""
    api_page_size: int = Field(default=100, ge=1, le=1000)
    """How many rows a list returns at most."""
    api_rate_per_second: float = Field(default=200, ge=0.01, le=1_000_000)
    """How many requests and events one key may send a second, on average. A batch counts as its
    events. A key may have a rate of its own."""
    api_rate_burst: int = Field(default=10_000, ge=1)
    """How many it may send at once after a pause. Not below ``api_batch_events``:
    ``neural_api.W001`` warns of it. A key with a rate of its own has a burst in proportion."""
    api_failures_per_minute: float = Field(default=60, gt=0)
    """How many requests without a valid key one address may send before they are answered with 429.
    A valid key is never refused for its address."""
    api_proxies: int = Field(default=0, ge=0)
    """As ``login_proxies``, for the address in ``api_failures_per_minute``."""
    api_body_seconds: float = Field(default=60, gt=0)
    """How long a client may take to send its body."""


conf = register_settings(ApiSettings)
"""The API's settings in force."""
