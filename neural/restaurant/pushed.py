"""What is kept of what a till or platform pushed. Pure."""

from collections.abc import Mapping
from typing import Any

PUSHED_BYTES = 1024 * 1024
"""The largest push that is kept: some tills push whole orders of more than 600 KB."""

CREDENTIALS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "api-key",
        "x-api-key",
        "access-token",
        "x-access-token",
        "x-auth-token",
        "x-clover-auth",
    }
)
"""Names of headers that say who may push. Signatures are not among them: they prove one push."""


def without_credentials(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload of a push without the headers that are credentials. Headers that are no object
    are left out as a whole, because nobody can tell what they contain; the schema refuses them."""
    if "headers" not in payload:
        return payload
    headers = payload["headers"]
    if not isinstance(headers, Mapping):
        return {**payload, "headers": None}
    kept = {name: value for name, value in headers.items() if not _is_credential(name)}
    return {**payload, "headers": kept}


def _is_credential(name: Any) -> bool:
    """Whether a header of this name is a credential, also as WSGI names it: HTTP_COOKIE."""
    plain = str(name).strip().lower().replace("_", "-").removeprefix("http-")
    return plain in CREDENTIALS
