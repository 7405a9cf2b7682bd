"""The settings of the HTTP API."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


class ApiSettings(Settings):
    """The settings of the HTTP API, in ``NEURAL``."""

    api_batch_events: int = Field(default=10_000, ge=1)
    """The most events of one batch request."""
    api_batch_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """The largest body of a batch request."""
    api_page_size: int = Field(default=100, ge=1, le=1000)
    """How many rows a list returns unless the request asks for fewer."""
    api_rate_per_second: float = Field(default=200, ge=0.01, le=1_000_000)
    api_rate_burst: int = Field(default=10_000, ge=1)
    """The events and requests that one key may send: this many a second on average, and a burst of
    this many after a pause. A batch counts as its number of events. A key with a rate of its own
    has a burst in proportion."""
    api_failures_per_minute: float = Field(default=60, gt=0)
    """How many requests without a valid key one address may send a minute, on average, before they
    are answered with 429. A request with a valid key is never refused for its address."""
    api_proxies: int = Field(default=0, ge=0)
    """The number of one's own proxies that add the client's address to ``X-Forwarded-For``. 0: the
    header is not read."""
    api_body_seconds: float = Field(default=60, gt=0)
    """How long a client may take to send its body."""


conf = register_settings(ApiSettings)
"""The API's settings in force."""
