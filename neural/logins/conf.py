"""The settings of login throttling."""

from pydantic import Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings


class LoginSettings(Settings):
    """The settings of login throttling, in ``NEURAL``."""

    login_failures: int = Field(default=5, ge=1)
    """Failed logins of one account before the next has to wait. The right password resets the
    count, and so does an hour without failures. A browser (by a cookie) or an address from which
    the account has logged in within 90 days has a count of its own, so whoever knows a name does
    not lock out its owner."""
    login_failures_by_address: int = Field(default=50, ge=1)
    """The same for one address (of IPv6: one /64 network), whatever the accounts: a shop's tills
    and people may share an address."""
    login_wait_seconds: float = Field(default=30, gt=0)
    """The first wait. Each further failure doubles it."""
    login_wait_cap_seconds: float = Field(default=900, gt=0)
    """The longest wait. It always ends: attempts that are turned away do not lengthen it."""
    login_proxies: int = Field(default=0, ge=0)
    """How many of your own proxies add to ``X-Forwarded-For``: the client's address is that many
    from its end. None (0): the header is not read, because anybody may send it. Behind a proxy,
    everybody has the proxy's address unless this is set."""


conf = register_settings(LoginSettings)
"""The login settings in force."""
