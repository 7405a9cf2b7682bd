"""Reads JSON from outside as text for a page: if it is nested too deep, it cannot be decoded.

Python's limit is about a thousand levels, less those that the page itself uses. Rows that were
recorded before depth was limited may come close to it.
"""

import json
from typing import Any

from django.db.models import JSONField, Model, TextField
from django.db.models.functions import Cast
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from neural.stored_json import depth_of

DEEPEST = 100
"""JSON with at most this many levels is shown indented."""
SHOWN_CHARACTERS = 20_000
"""How many characters are shown of JSON that is nested deeper."""


def value_of(row: Model, field: str) -> Any:
    """A field's value, or its text as a SafeString if it is nested too deep. Deferred fields are
    read as text, all fields of a row in one query."""
    if field not in row.get_deferred_fields():
        return getattr(row, field)
    text = _texts_of(row)[field]
    if text is None or depth_of(text) <= DEEPEST:
        return None if text is None else json.loads(text)
    return _as_written(text)


def is_readable(value: Any) -> bool:
    """Whether a value of :func:`value_of` was decoded; one that is nested too deep was not."""
    return not isinstance(value, SafeString)


def _texts_of(row: Any) -> dict[str, str | None]:
    if not hasattr(row, "_written"):
        deferred = row.get_deferred_fields()
        names = [each.name for each in row._meta.fields if isinstance(each, JSONField)]
        casts = {f"{name}_text": Cast(name, TextField()) for name in names if name in deferred}
        found = type(row)._base_manager.filter(pk=row.pk).values(**casts).get()
        row._written = {name.removesuffix("_text"): text for name, text in found.items()}
    texts: dict[str, str | None] = row._written
    return texts


def _as_written(text: str) -> SafeString:
    said = _("Nested %(depth)d levels deep. As it is written, its first characters:")
    return format_html(
        '<p><small>{}</small></p><pre class="neural-code">{}</pre>',
        said % {"depth": depth_of(text)},
        text[:SHOWN_CHARACTERS],
    )
