"""The base class of payload schemas. It has a module of its own, so that a project without event
types does not load pydantic. And what a payload has that its schema does not know."""

from collections.abc import Container, Iterable, Iterator
from difflib import get_close_matches
from functools import cache, lru_cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from neural.events.answers import Problem

LONGEST_NAME = 100
"""No field has a longer name, so none is suggested for one."""


class Payload(BaseModel):
    """Base class of payload schemas (pydantic models). Fields that a schema does not define are
    kept."""

    other_fields_have_a_meaning: ClassVar[bool] = False
    """Whether fields that the schema does not define are meant, so that nobody is told of them."""

    def refused_when_new(self) -> Iterable[tuple[str, str]]:
        """The fields for which this valid payload of a new event is refused, each with the reason.
        One that was recorded before is handled, and one that a platform pushed is recorded."""
        return ()

    def translated(self) -> "Payload":
        """What handlers and pages get of a valid payload: itself, unless its schema translates it
        to another one."""
        return self

    # Errors must not contain the values, because errors are logged.
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


def unknown_fields(value: Any, *place: str | int) -> Iterator[Problem]:
    """The fields of a valid payload that its schema keeps without knowing them, as problems that
    may suggest the name of a field that it knows. ``place`` is where the payload is."""
    if isinstance(value, BaseModel):
        schema = type(value)
        for name in value.model_extra or ():
            if not _is_free(schema):
                yield Problem(".".join(map(str, (*place, name))), _reason(schema, name))
        for name in _fields_with_models(schema):
            yield from unknown_fields(getattr(value, name), *place, name)
    elif isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield from unknown_fields(each, *place, key)


def unknown_in_invalid(
    kind: Any, value: Any, place: str, *, beside: Container[str] | None
) -> Iterator[Problem]:
    """The same for JSON that is not a valid ``kind``, a schema or the annotation of a field, in the
    places ``beside`` (None: everywhere). What may be of several schemas is not looked at."""
    arguments = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or own: field for own, field in kind.model_fields.items()}
        is_asked = kind.model_config.get("extra") == "allow" and not _is_free(kind)
        is_asked = is_asked and (beside is None or place in beside)
        for name, each in value.items() if isinstance(value, dict) else ():
            if name in fields:
                annotation = fields[name].annotation
                yield from unknown_in_invalid(annotation, each, f"{place}.{name}", beside=beside)
            elif is_asked:
                yield Problem(f"{place}.{name}", _reason(kind, name))
    elif get_origin(kind) in (Annotated, Union, UnionType):
        if len(models := [each for each in arguments if _has_model(each)]) == 1:
            yield from unknown_in_invalid(models[0], value, place, beside=beside)
    elif isinstance(value, list | dict) and _has_model(kind):
        of_items = arguments[isinstance(value, dict)]
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield from unknown_in_invalid(of_items, each, f"{place}.{key}", beside=beside)


def _is_free(schema: type[BaseModel]) -> bool:
    return getattr(schema, "other_fields_have_a_meaning", False)


@cache
def _fields_with_models(schema: type[BaseModel]) -> tuple[str, ...]:
    fields = schema.model_fields.items()
    return tuple(name for name, field in fields if _has_model(field.annotation))


def _has_model(annotation: Any) -> bool:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return is_model or any(map(_has_model, get_args(annotation)))


def _reason(schema: type[BaseModel], name: str) -> str:
    meant = _close_to(schema, name) if len(name) <= LONGEST_NAME else ""
    return f"is not a field of the schema{meant}"


@lru_cache(maxsize=1000)
def _close_to(schema: type[BaseModel], name: str) -> str:
    known = [field.alias or own for own, field in schema.model_fields.items()]
    return "".join(f"; did you mean {each}?" for each in get_close_matches(name, known, n=1))
