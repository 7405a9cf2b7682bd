"""The settings of requests to servers that are not ours."""

from pydantic import Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings


class OutboundSettings(Settings):
    """The settings of outbound requests, in ``NEURAL``."""

    outbound_timeout_seconds: float = Field(default=15, gt=0)
    """How long a server may take to answer: a receiver of ours, a platform that we ask for details,
    a chat service that an alert goes to."""
    outbound_private_addresses: bool = False
    """Whether requests of ours may go to private, loopback and link-local addresses, to every port,
    and without TLS."""


conf = register_settings(OutboundSettings)
"""The outbound settings in force."""
