"""Saving what a person has edited of a row that workers write to as well."""

from django.db.models import Model
from django.forms import ModelForm


def save_edited(row: Model, form: "ModelForm[Model]", *others: str) -> None:
    """Save the columns that the form has, and ``others`` that it has set.

    The rest is as it was when the form was read, and workers may have written it since: a
    subscription that was paused meanwhile would be active again.
    """
    own = [field.name for field in row._meta.concrete_fields if field.name in form.cleaned_data]
    row.save(update_fields=[*own, *others])
