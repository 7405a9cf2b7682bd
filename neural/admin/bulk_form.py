"""The form that begins a bulk action, and the token by which one form is one action."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from celery import current_app
from django import forms
from django.utils.crypto import salted_hmac
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from neural.models import BulkAction, BulkVerb
from neural.runs.bulk.beginning import BulkActionRefused
from neural.runs.bulk.checking import FASTEST, LONGEST_REASON
from neural.runs.bulk.verbs import QUEUE

TARGET = "to_queue"
"""The field of the queue to move to. ``queue`` is the filter by the queue on which runs are."""
_FIELDS = {"reason": "reason", "pace": "pace", QUEUE: TARGET}


class BulkForm(forms.Form):
    """Reason, pace, and what else the verb needs."""

    token = forms.CharField(max_length=64, widget=forms.HiddenInput)
    to_queue = forms.ChoiceField(label=_("To the queue"))
    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        help_text=_("It stands in the audit log."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    pace = forms.IntegerField(
        label=_("Runs a second at most"),
        min_value=1,
        max_value=FASTEST,
        required=False,
        help_text=_("Empty: as fast as it goes."),
    )

    def __init__(self, *args: Any, verb: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if verb == BulkVerb.MOVE:
            queues: Any = self.fields[TARGET]
            queues.choices = [
                ("", "---------"),
                *((name, name) for name in current_app.amqp.queues),
            ]
        else:
            del self.fields[TARGET]
        for field in self.fields.values():
            field.label = capfirst(str(field.label))

    @property
    def values(self) -> dict[str, Any]:
        """What the verb needs, if that was given."""
        queue = self.cleaned_data.get(TARGET) if self.is_bound else ""
        return {QUEUE: queue} if queue else {}

    def show(self, refused: BulkActionRefused) -> None:
        """Show at each field what is wrong."""
        for name, problem in refused.problems.items():
            field = _FIELDS.get(name)
            self.add_error(field if field in self.fields else None, problem)


def token_for(
    user: Any, verb: str, params: Mapping[str, str], run_ids: Sequence[int] | None
) -> str:
    """A token that is the same in every tab in which this user is asked the same.

    It changes with the user's next action: then the same question means a second execution.
    """
    own = BulkAction.objects.filter(user_id=str(user.pk))
    newest = own.order_by("-pk").values_list("pk", flat=True)
    asked = [str(user.pk), verb, sorted(params.items()), run_ids, newest.first()]
    return salted_hmac("neural.bulk_action", json.dumps(asked), algorithm="sha256").hexdigest()
