"""What a database can keep of a text: all but U+0000 and halves of surrogate pairs. Pure.

PostgreSQL has no U+0000, and half of a pair is no text: UTF-8 cannot write it.
"""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a database can keep the text, and look for it."""
    return _UNSTORABLE.search(text) is None


def storable(text: str, instead: str = "\ufffd") -> str:
    """The text with ``instead`` in the place of each character that cannot be kept."""
    return _UNSTORABLE.sub(instead, text)


def escaped(text: str, most: int | None = None) -> str:
    """The text with escapes of the characters that cannot be kept; at most ``most`` characters."""
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text[:most])[:most]
