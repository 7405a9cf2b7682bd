"""The field for a choice of rows. A number that no database can hold is a wrong choice."""

from typing import Any

from django import forms
from django.db.models import QuerySet


class ChoiceOfRows(forms.ModelMultipleChoiceField):
    """Django's field, which lets SQLite raise OverflowError for a key of more than 64 bits."""

    def _check_values(self, value: Any) -> QuerySet:
        try:
            return super()._check_values(value)  # type: ignore[misc]
        except OverflowError as error:
            said = self.error_messages["invalid_pk_value"]
            longest = max(map(str, value), key=len)[:100]
            raise forms.ValidationError(
                said, code="invalid_pk_value", params={"pk": longest}
            ) from error
