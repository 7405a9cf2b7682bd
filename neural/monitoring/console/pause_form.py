"""The form with which a person pauses a queue."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from neural.ledger.clock import database_clock
from neural.ledger.pausing import LONGEST_REASON

LONGEST_MINUTES = 30 * 24 * 60


class PauseForm(forms.Form):
    """Reason and end of a pause. An end is a number of minutes, or a time, or left out."""

    queue = forms.CharField(max_length=100, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        error_messages={"required": _("A pause needs a reason, which everybody sees.")},
    )
    minutes = forms.IntegerField(
        label=_("For minutes"), min_value=1, max_value=LONGEST_MINUTES, required=False
    )
    until = forms.DateTimeField(
        label=_("Or until"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give the fields of each queue's form ids of their own."""
        super().__init__(*args, **kwargs)
        queue = str(self["queue"].value() or "").replace("%", "%%")  # of the name's place below
        self.auto_id = f"pause-{queue}-%s"

    def clean(self) -> dict[str, Any]:
        """Refuse two ends, and an end that has passed."""
        values: dict[str, Any] = super().clean() or {}
        until = values.get("until")
        if values.get("minutes") and until:
            raise forms.ValidationError(_("Give minutes or a time, not both."))
        if until and until <= database_clock():
            self.add_error("until", _("The end of the pause has passed already."))
        return values

    @property
    def end(self) -> dt.datetime | None:
        """When the pause ends by itself, if it does."""
        minutes = self.cleaned_data.get("minutes")
        if minutes:
            return database_clock() + dt.timedelta(minutes=minutes)
        until: dt.datetime | None = self.cleaned_data.get("until")
        return until
