"""The forms of 'Edit and retry': what a run works on as JSON, checked as its work will check it."""

import json
import secrets
from typing import Any

from celery import current_app
from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.forms import read_json
from neural.kit.stored_json import NotStorable, plain
from neural.models import RunEdit, TaskRun
from neural.runs.editing import content_of, fingerprint, problems_of
from neural.worker.refusing import signature_of

TOKEN_LENGTH: int = RunEdit._meta.get_field("token").max_length  # type: ignore[assignment]
REASON_LENGTH: int = RunEdit._meta.get_field("reason").max_length  # type: ignore[assignment]


class JSONText(forms.CharField):
    """JSON in a text area. ``kind`` is the type that it must be."""

    def __init__(self, *, kind: type, **options: Any) -> None:
        rows = {"rows": 16, "spellcheck": "false"}
        super().__init__(strip=False, widget=AdminTextareaWidget(rows), **options)
        self.kind = kind

    def clean(self, value: Any) -> Any:
        """The decoded value."""
        found = read_json(super().clean(value))
        if not isinstance(found, self.kind):
            wanted: dict[type, str] = {
                list: _("This must be a list, in [ ]."),
                dict: _("This must be an object, in { }."),
            }
            raise ValidationError(wanted[self.kind])
        return found


class EditForm(forms.Form):
    """What both forms have: the token by which a form sent twice is known, and what the run was
    like when the form was opened."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=TOKEN_LENGTH)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    contents: tuple[str, ...] = ()

    def __init__(self, *args: Any, run: TaskRun, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run = run

    @classmethod
    def opened(cls, run: TaskRun) -> "EditForm":
        """The form as it is opened: with the run's present content."""
        now = content_of(run)
        texts = {name: json.dumps(now[name], indent=2, ensure_ascii=False) for name in cls.contents}
        first = {"token": secrets.token_urlsafe(24), "seen": fingerprint(run)}
        return cls(initial=texts | first, run=run)

    @property
    def content(self) -> dict[str, Any]:
        """What :func:`neural.runs.editing.edit` takes."""
        return {name: self.cleaned_data[name] for name in self.contents}


class ArgumentsForm(EditForm):
    """Arguments of a task."""

    contents = ("args", "kwargs")
    args = JSONText(kind=list, label=gettext_lazy("Arguments"))
    kwargs = JSONText(kind=dict, label=gettext_lazy("Keyword arguments"))

    def clean(self) -> None:
        """They can be kept, and the task takes them."""
        for name in set(self.contents) & self.cleaned_data.keys():
            try:
                plain(self.cleaned_data[name], what=str(self.fields[name].label))
            except NotStorable as refused:
                self.add_error(name, str(refused))
        if not self.errors:
            self._check_fit()

    def _check_fit(self) -> None:
        task = current_app.tasks.get(self.run.task)
        signature = signature_of(task) if task else None
        if signature is None:
            return  # only its workers know it: they tell
        try:
            signature.bind(*self.cleaned_data["args"], **self.cleaned_data["kwargs"])
        except TypeError as error:
            text = _("The task does not take these: %(reason)s.") % {"reason": error}
            self.add_error(None, text)


class PayloadForm(EditForm):
    """The payload of an event."""

    contents = ("payload",)
    payload = JSONText(kind=dict, label=gettext_lazy("The event's payload"))

    def clean(self) -> None:
        """The schema of the event's type takes it."""
        if "payload" not in self.cleaned_data:
            return
        for problem in problems_of(run=self.run, payload=self.cleaned_data["payload"]):
            self.add_error("payload", str(problem))


class ReasonForm(forms.Form):
    """Why the run is edited."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        widget=AdminTextareaWidget({"rows": 3}),
        help_text=gettext_lazy("It is kept in the audit log."),
    )


def form_of(run: TaskRun) -> type[EditForm]:
    """The form for this kind of run."""
    return PayloadForm if run.event_id else ArgumentsForm
