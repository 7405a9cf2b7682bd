"""Names that say who may do something, as in headers of HTTP. Pure."""

import re

_CREDENTIAL = re.compile(
    r"authori[sz]ation|authentication|auth(?![a-z])|cookie|token|secret|passw|credential"
    r"|(api|access|subscription)[-_ ]?key",
    re.IGNORECASE,
)
_SIGNATURE = re.compile("signature", re.IGNORECASE)
# Of several backslashes the last suffices. A text of nothing but backslashes would take for ever
# if the expression tried all of them from each.
_ESCAPE = re.compile(r"\\u00([0-9a-f]{2})", re.IGNORECASE)


def is_credential(name: str) -> bool:
    """Whether a header of this name is a credential, however it is written: ``X-Api-Key``,
    ``HTTP_COOKIE``. A signature is none: it proves one message."""
    return mentions_credential(name) and not _SIGNATURE.search(name)


def mentions_credential(text: str) -> bool:
    """Whether the name of a credential is anywhere in a text, which need not be valid JSON."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return _CREDENTIAL.search(plain.replace("\x00", "")) is not None  # UTF-16 read as UTF-8
