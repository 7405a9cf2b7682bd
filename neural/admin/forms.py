"""What forms share: the reason for an act, typed JSON, saving only what was edited."""

import json
from typing import Any

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.audit import MOST_WORDS
from neural.kit.conf import conf
from neural.kit.stored_json import depth_of, depth_problem, is_deeper

REASON = "reason"


class ActionFormWithReason(ActionForm):
    """The form of a list's actions, with a reason."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=MOST_WORDS,
        widget=forms.TextInput({"placeholder": _("optional"), "class": "neural-reason"}),
    )


def capitalise_labels(form: forms.BaseForm) -> None:
    """Begin the labels of a form's fields with capitals, as Django's own forms do for models."""
    for field in form.fields.values():
        field.label = capfirst(str(field.label))


def reason_in(request: HttpRequest) -> str:
    """The reason that came with a form; empty if none was given."""
    return request.POST.get(REASON, "").strip()


def save_edited(row: Model, form: "ModelForm[Model]", *others: str) -> None:
    """Save the columns that the form has, and ``others`` that it has set.

    The rest is as it was when the form was read, and workers may have written it since: a
    subscription that was paused meanwhile would be active again.
    """
    own = [field.name for field in row._meta.concrete_fields if field.name in form.cleaned_data]
    row.save(update_fields=[*own, *others])


def read_json(text: str) -> Any:
    """The value, with the limit on depth that applies wherever JSON comes in. Raises
    ValidationError, which names the place of what is no JSON."""
    if is_deeper(text, conf().max_json_depth):
        raise ValidationError(depth_problem(depth_of(text), conf().max_json_depth))
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        message = gettext("Not JSON at line %(line)s, column %(column)s: %(reason)s.")
        raise ValidationError(message % place) from error
    except ValueError as error:  # for example a number of 5,000 digits
        raise ValidationError(str(error)) from error
