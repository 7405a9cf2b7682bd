"""The reason that a person may give for an act: a field beside its button."""

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.audit import MOST_WORDS

REASON = "reason"


class ActionFormWithReason(ActionForm):
    """The form of a list's actions, with a reason."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=MOST_WORDS,
        widget=forms.TextInput({"placeholder": _("optional"), "class": "neural-reason"}),
    )


def reason_in(request: HttpRequest) -> str:
    """The reason that came with a form; empty if none was given."""
    return request.POST.get(REASON, "").strip()
