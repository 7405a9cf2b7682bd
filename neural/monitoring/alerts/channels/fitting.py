"""Makes texts fit: into a limit of bytes, into one line, without a meaning in a markup language.

Imports no Django.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

ELLIPSIS = "…"
LONGEST_TITLE = 300
"""Bytes of a title; 100 Chinese characters."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
# With these, values of ours (the name of a queue, of a store) could mention everybody in a group
# (<@all>, <at id=all>, @13800000000), make a link, or close a tag of ours.
_FULL_WIDTH = str.maketrans("<>[]@`*", "＜＞［］＠｀＊")


def cut(text: str, most_bytes: int) -> str:
    """As much of a text as fits, in UTF-8, ended by an ellipsis if something is left out. No
    character is cut in two."""
    raw = text.encode()
    if len(raw) <= most_bytes:
        return text
    room = most_bytes - len(ELLIPSIS.encode())
    return raw[:room].decode(errors="ignore").rstrip() + ELLIPSIS if room > 0 else ""


def one_line(text: str, most_bytes: int = LONGEST_TITLE) -> str:
    """A text in one line, without control characters: as a title or a header."""
    return cut(" ".join(plain(text).split()), most_bytes)


def plain(text: str) -> str:
    """A text without control characters (except tabs and line ends) and halves of surrogate
    pairs."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode()


def unmarked(text: str) -> str:
    """A text of which no character has a meaning in a platform's Markdown: those that have are
    replaced by their full-width forms, which look alike."""
    return plain(text).translate(_FULL_WIDTH)


def fitted(head: str, lines: Sequence[str], foot: str, *, between: str, most_bytes: int) -> str:
    """Head, lines and foot with separators, within the limit: the lines are cut, the rest stays."""
    around = [part for part in (head, foot) if part]
    used = len(between.join(around).encode()) + len(between.encode())
    middle = cut(between.join(lines), most_bytes - used) if lines else ""
    return between.join(part for part in (head, middle, foot) if part)


def as_json(value: Any) -> bytes:
    """JSON in UTF-8, with Chinese characters as themselves: escaped, each would take six bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
