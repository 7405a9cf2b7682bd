"""The mail server, from an address: where e-mail of alerts is sent through."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEMES = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
"""Plain, with STARTTLS, with TLS from the first byte; and the usual port of each."""


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """What Django's ``EMAIL_`` settings say."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    starttls: bool
    tls: bool


def server(url: str) -> MailServer:
    """Read ``smtps://user:password@host:465``. A user name or password is percent-encoded: the
    ``@`` of an e-mail address is ``%40``."""
    parts = urlsplit(url)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or SCHEMES[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=parts.scheme == "smtp+tls",
        tls=parts.scheme == "smtps",
    )
