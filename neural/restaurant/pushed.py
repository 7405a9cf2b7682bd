"""What is kept of what a till or platform pushed. Pure."""

from collections.abc import Mapping
from typing import Any

from neural.events.credentials import is_credential

PUSHED_BYTES = 1024 * 1024
"""The largest push that is kept: some tills push whole orders of more than 600 KB."""


def without_credentials(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload of a push without the headers that are credentials. Headers that are no object
    are left out as a whole, because nobody can tell what they contain; the schema refuses them."""
    if "headers" not in payload:
        return payload
    headers = payload["headers"]
    if not isinstance(headers, Mapping):
        return {**payload, "headers": None}
    kept = {name: value for name, value in headers.items() if not is_credential(str(name))}
    return {**payload, "headers": kept}
