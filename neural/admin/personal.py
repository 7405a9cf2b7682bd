"""Answers of the admin without personal data, for users who may not see it.

Columns and templates that show JSON mask it by its keys (:func:`neural.personal.redacting.shown`).
Beyond that, every answer is looked through for what looks like personal data, so that a page that
forgets to mask shows no phone number, no card and no e-mail address.
"""

import html
import re
from typing import Any

from django.http import HttpResponse
from django.utils.html import escape

from neural.personal.redacting import redacted_text, sees_personal_data

MASKED = "data-masked"
"""Marks an element whose text has been masked by its keys; it is not looked through again."""

# What a user typed into a form is left to the user, and scripts hold nothing of a row.
_LEFT = r"<(?P<left>textarea|script|style)\b.*?</(?P=left)\s*>|<pre[^>]*\bdata-masked\b.*?</pre\s*>"
_PLACES = re.compile(
    rf"(?P<skip>{_LEFT})"
    r"""|(?P<name>\s(?:title|aria-label|alt|data-[a-z-]+)=)"(?P<attribute>[^"<>]{6,})\""""
    r"|>(?P<text>[^<]*[0-9０-９@＠=][^<]*)",
    re.DOTALL | re.IGNORECASE,
)
_KINDS = ("text/html", "text/plain", "application/json")


def without_personal_data(response: Any, user: Any) -> Any:
    """The answer as this user may see it. An answer that is streamed must see to it itself."""
    if response.streaming or not response.content or sees_personal_data(user):
        return response
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind in _KINDS:
        _mask(response, is_html=kind == "text/html")
    return response


def _mask(response: HttpResponse, *, is_html: bool) -> None:
    text = response.content.decode(response.charset)
    masked = _PLACES.sub(_masked, text) if is_html else redacted_text(text)
    if masked != text:
        response.content = masked.encode(response.charset)
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(response.content))


def _masked(found: re.Match[str]) -> str:
    if found["skip"]:
        return found[0]
    if found["name"]:
        return f'{found["name"]}"{_of(found["attribute"])}"'
    return ">" + _of(found["text"])


def _of(escaped: str) -> str:
    text = html.unescape(escaped)
    masked = redacted_text(text)
    return escaped if masked == text else escape(masked)
