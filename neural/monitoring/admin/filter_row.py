"""The filters of a list as one row of fields above it, where Django has a column beside it.

A list uses it by a template that includes ``neural/monitoring/filter_row.html``. Its filters are
Django's own: each says its choices, and the chosen one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import SEARCH_VAR


@dataclass(frozen=True, kw_only=True)
class Field:
    """A filter as a field of a form."""

    name: str
    title: Any
    value: str
    choices: Sequence[tuple[str, Any]]
    is_typed: bool
    """Whether its value may be one that is not among the choices."""
    has_usual: bool
    """Whether it chooses something when nothing is asked for, so that 'all' is a choice of its
    own."""

    @property
    def options(self) -> Sequence[tuple[str, Any]]:
        """The choices, and what is chosen though nobody offers it any more."""
        if self.value and self.value not in dict(self.choices):
            return [*self.choices, (self.value, self.value)]
        return self.choices


@dataclass(frozen=True, kw_only=True)
class FilterRow:
    """The fields, and what else the address of the list says."""

    fields: Sequence[Field]
    kept: Sequence[tuple[str, str]]
    is_chosen: bool
    """Whether anything is searched or filtered."""


def filter_row(changelist: Any) -> FilterRow:
    """The row of a list's filters."""
    fields = [_field(each) for each in changelist.filter_specs]
    mine = {each.name for each in fields} | {SEARCH_VAR}
    kept = [
        (name, value)
        for name, values in changelist.filter_params.items()
        if name not in mine
        for value in values
    ]
    chosen = any(spec.value() for spec in changelist.filter_specs)
    return FilterRow(fields=fields, kept=kept, is_chosen=chosen or bool(changelist.query))


def _field(spec: Any) -> Field:
    usual = getattr(spec, "usual", "")
    return Field(
        name=spec.parameter_name,
        title=spec.title,
        value=str(spec.value() or usual),
        choices=[(str(value), label) for value, label in spec.lookup_choices],
        is_typed=getattr(spec, "more", False),
        has_usual=bool(usual),
    )
