"""Filters of the admin's lists. Their choices come from registries and the table of stores.

They never come from the list's own table: finding its distinct values would read all of it.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Choices, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.events.types import event_types
from neural.kit.keyset.planning import WholeNumbers
from neural.models import Store

STORES_LISTED = ROWS_LISTED = 25


class EqualityFilter(admin.SimpleListFilter):
    """Rows in which one field has the chosen value."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        return queryset.filter(self.condition(value)) if value else queryset

    def condition(self, value: str) -> Q:
        return Q(**{self.parameter_name or "": value})


class TextFilter(EqualityFilter):
    """A filter whose value is typed, beside the choices that it may have."""

    input_type: ClassVar[str] = "text"
    more = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return ()

    def has_output(self) -> bool:
        return True


class NumberFilter(TextFilter):
    """The rows that refer to one row of another table, by its number."""

    input_type = "number"

    def condition(self, value: str) -> Q:
        if value not in WholeNumbers():
            return Q(pk=None)
        return Q(**{self.parameter_name or "": int(value)})


class NamedRowFilter(NumberFilter):
    """The same, with a choice of the first rows by name."""

    def rows(self, request: HttpRequest) -> QuerySet:
        """The rows that the user may choose."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        named = self.rows(request).only("pk", "name").order_by("name", "pk")
        found = list(named[: ROWS_LISTED + 1])
        self.more = len(found) > ROWS_LISTED
        return [(str(each.pk), each.name) for each in found[:ROWS_LISTED]]


class StoreFilter(TextFilter):
    """One store: a choice of the first stores, and a field for the code of any other."""

    title = _("store")
    parameter_name = "store"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        visible = Store.objects.for_user(request.user).order_by("code")
        found = list(visible[: STORES_LISTED + 1])
        self.more = len(found) > STORES_LISTED
        return [(store.code, str(store)) for store in found[:STORES_LISTED]]


class DayFilter(TextFilter):
    """One business day of the chosen store: the index of days begins with the store."""

    title = _("business day")
    parameter_name = "day"
    input_type = "date"
    field = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        self.usable = bool(request.GET.get(StoreFilter.parameter_name))
        return ()

    def has_output(self) -> bool:
        return self.usable

    def condition(self, value: str) -> Q:
        try:
            return Q(**{self.field: dt.date.fromisoformat(value)})
        except ValueError:
            return Q(pk=None)


class FlagFilter(admin.SimpleListFilter):
    """A filter with one choice, which a method of the query set applies."""

    method: ClassVar[str]
    choice: ClassVar[Any]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("1", self.choice)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return getattr(queryset, self.method)() if self.value() == "1" else queryset


def flag_filter(title: Any, name: str, choice: Any, *, method: str = "") -> type[FlagFilter]:
    """A :class:`FlagFilter`; its method is named like its parameter if no other is given."""
    own = {"title": title, "parameter_name": name, "choice": choice, "method": method or name}
    return type("OneChoiceFilter", (FlagFilter,), own)


def choice_filter(
    title: Any, field: str, choices: "type[Choices] | Callable[[], Iterable[tuple[str, Any]]]"
) -> type[EqualityFilter]:
    """A filter by a field with these choices, or those that a function returns; the field names its
    parameter, too."""

    class ChoiceFilter(EqualityFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
            return choices_of(choices) if isinstance(choices, type) else list(choices())

    ChoiceFilter.title = title
    return ChoiceFilter


def choices_of(choices: type[Choices]) -> Sequence[tuple[str, str]]:
    return [(str(each.value), str(each.label)) for each in choices]


EventTypeFilter = choice_filter(
    _("type"), "type", lambda: _names(each.name for each in event_types())
)
UnhandledFilter = flag_filter(_("handling"), "unhandled", _("had no handler"))


def _names(names: Iterable[str]) -> Sequence[tuple[str, str]]:
    return [(name, name) for name in sorted(names)]


class ChoiceOfRows(forms.ModelMultipleChoiceField):
    """Django's field, which lets SQLite raise OverflowError for a key of more than 64 bits."""

    def _check_values(self, value: Any) -> QuerySet:
        try:
            return super()._check_values(value)  # type: ignore[misc]
        except OverflowError as error:
            text = self.error_messages["invalid_pk_value"]
            longest = max(map(str, value), key=len)[:100]
            raise forms.ValidationError(
                text, code="invalid_pk_value", params={"pk": longest}
            ) from error
