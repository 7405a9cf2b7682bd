"""The settings of login throttling."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


class LoginSettings(Settings):
    """The settings of login throttling, in ``NEURAL``."""

    login_failures: int = Field(default=5, ge=1)
    login_failures_by_address: int = Field(default=50, ge=1)
    """Failed logins of one account, and from one address, before the next has to wait."""
    login_wait_seconds: float = Field(default=30, gt=0)
    login_wait_cap_seconds: float = Field(default=900, gt=0)
    """The first wait; each further failure doubles it, up to the cap."""
    login_proxies: int = Field(default=0, ge=0)
    """The number of one's own proxies that add the client's address to ``X-Forwarded-For``. 0: the
    header is not read."""


conf = register_settings(LoginSettings)
"""The login settings in force."""
