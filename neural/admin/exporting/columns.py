"""Which columns of a list leave it in a file, and what they are called."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import (
    BinaryField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    JSONField,
    Model,
    TextField,
)
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from neural.admin.display import DEEPEST
from neural.kit.exact_json import ExactJSONField
from neural.kit.stored_json import is_deeper
from neural.models import Store
from neural.personal.redacting import for_user, sees_personal_data

JSON_FIELDS = (JSONField, ExactJSONField)
SECRET = frozenset(
    ("secret", "secrets", "credentials", "password", "token", "hash", "signature", "url", "sha256")
)
"""Words in the name of a column that never leaves by itself: an address may hold a token."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a file.

    ``name`` is its name for programs and ``label`` its heading for people. ``path`` is where the
    ORM finds the value. ``labels`` are what people call the codes that it holds.
    """

    name: str
    path: str
    label: str
    labels: Mapping[Any, str] = field(default_factory=dict)
    is_json: bool = False
    is_text: bool = False
    """Whether people or other systems wrote it, so that it may hold personal data."""
    is_for_people: bool = False
    """Whether it only repeats by name what another column has by code."""

    @property
    def expression(self) -> Any:
        """What a query asks for. JSON is read as text: it may be too deep to be decoded."""
        return Cast(self.path, TextField()) if self.is_json else self.path


def columns_of(
    model: type[Model], names: Sequence[str] | None, *, left_out: Sequence[str] = ()
) -> Sequence[Column]:
    """The columns of these paths, in this order; without any, all that a model's file may have."""
    paths = names if names is not None else list(_paths_of(model, left_out))
    return _with_unique_labels([_column(model, path) for path in paths])


def _paths_of(model: type[Model], left_out: Sequence[str]) -> Iterator[str]:
    for each in model._meta.concrete_fields:
        if each.name in left_out or _is_withheld(each):
            continue
        if isinstance(each, ForeignKey) and each.related_model is Store:
            yield f"{each.name}__name"  # names before codes
        yield each.name


def _is_withheld(field: Field) -> bool:
    """Whether the column is not for people, or may be a secret. A field that converts what the
    database has may decrypt it."""
    converts = hasattr(field, "from_db_value") and not isinstance(field, JSON_FIELDS)
    return isinstance(field, BinaryField) or converts or bool(SECRET & {*field.name.split("_")})


def _column(model: type[Model], path: str) -> Column:
    way = list(_fields(model, path))
    if not way:  # an annotation of the admin's rows
        return Column(name=path, path=path, label=path.replace("_", " "))
    last = way[-1]
    choices = {code: str(label) for code, label in getattr(last, "flatchoices", ())}
    return Column(
        name=path,
        path=path,
        label=_label(way),
        labels=choices,
        is_json=isinstance(last, JSON_FIELDS),
        is_text=isinstance(last, CharField | TextField) and not choices,
        is_for_people=len(way) > 1 and last.model is Store,
    )


def _fields(model: type[Model], path: str) -> Iterator[Any]:
    known: Any = model
    for name in path.split("__"):
        found = {each.name: each for each in known._meta.concrete_fields}.get(name)
        if found is None:
            return
        yield found
        known = found.related_model


def _label(way: Sequence[Any]) -> str:
    label = ": ".join(str(each.verbose_name) for each in way)
    if isinstance(way[-1], DateTimeField):
        label = f"{label} ({timezone.get_current_timezone_name()})"
    # Excel takes a file that begins with ID for one in another format (SYLK).
    return "Id" if label == "ID" else str(capfirst(label))


def _with_unique_labels(columns: Sequence[Column]) -> Sequence[Column]:
    """Add its name to the heading of a column whose heading another one has too."""
    times = Counter(each.label for each in columns)
    return [
        replace(each, label=f"{each.label} ({each.name})") if times[each.label] > 1 else each
        for each in columns
    ]


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
        message = _("(%(count)d characters, nested too deep to hide personal data in them)")
        return for_user(text, user) if as_text else message % {"count": len(text)}
    visible = for_user(value, user)
    return json.dumps(visible, ensure_ascii=False) if as_text else visible


def _decoded(text: str | None) -> Any:
    """The value; the text itself if it is nested too deep or is no JSON."""
    if text is None or is_deeper(text, DEEPEST):
        return text
    try:
        return json.loads(text)
    except ValueError:  # also a number of thousands of digits
        return text
