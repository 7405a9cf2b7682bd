"""The values of a row as the user may see them: JSON decoded, personal data hidden."""

import json
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from neural.admin.exporting.columns import Column
from neural.admin.written import DEEPEST
from neural.personal.redacting import for_user, sees_personal_data
from neural.stored_json import is_deeper


def seen_by(user: Any, columns: Sequence[Column], row: Sequence[Any]) -> list[Any]:
    """The row's values in the order of the columns."""
    if sees_personal_data(user):
        return [
            _decoded(value) if column.is_json else value
            for column, value in zip(columns, row, strict=True)
        ]
    return _hidden(user, columns, row)


def _hidden(user: Any, columns: Sequence[Column], row: Sequence[Any]) -> list[Any]:
    """Texts are looked at under the names of their columns, which may say what they are."""
    values = dict(zip([each.name for each in columns], row, strict=True))
    for column in columns:
        value = values[column.name]
        if column.is_json or _is_json_text(column, value):
            values[column.name] = _json_for(user, value, as_text=not column.is_json)
    texts = {
        each.name: values[each.name]
        for each in columns
        if each.is_text and isinstance(values[each.name], str)
    }
    return list((values | for_user(texts, user)).values())


def _is_json_text(column: Column, value: Any) -> bool:
    """A text such as a payload that was kept as it came: names in it are found by their keys."""
    return column.is_text and isinstance(value, str) and value.lstrip()[:1] in ("{", "[")


def _json_for(user: Any, text: str | None, *, as_text: bool) -> Any:
    if text is None:
        return None
    value = _decoded(text)
    if value is text:
        told = _("(%(count)d characters, nested too deep to hide personal data in them)")
        return for_user(text, user) if as_text else told % {"count": len(text)}
    shown = for_user(value, user)
    return json.dumps(shown, ensure_ascii=False) if as_text else shown


def _decoded(text: str | None) -> Any:
    """The value; the text itself if it is nested too deep or is no JSON."""
    if text is None or is_deeper(text, DEEPEST):
        return text
    try:
        return json.loads(text)
    except ValueError:  # also a number of thousands of digits
        return text
