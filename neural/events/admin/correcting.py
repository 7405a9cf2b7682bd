"""'Correct and submit': the form in which a person corrects a refused event.

The form submits through the same entry point as any event, under the person's name. The person
sees at once what is still wrong with the event.
"""

from typing import Any

from celery import current_app
from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from neural.admin.display import indented, link, page_address
from neural.admin.forms import capitalise_labels, read_json
from neural.admin.guards import address
from neural.admin.recording import log_changes
from neural.admin.scope import NeuralAdmin
from neural.events.answers import Submission
from neural.events.submit import RefusalClosed, correct
from neural.events.types import event_types
from neural.kit.sites import address_in_admin
from neural.models import RefusalState, RefusedEvent, Store
from neural.models.store import sees_every_store
from neural.personal.redacting import for_user
from neural.queues import PRIORITIES

PERMISSION = "neural.correct_refusedevent"
ADDRESS = "neural_refusedevent_correct"
CORRECTED = gettext_noop("state: open → corrected (correct and submit)")
MASKED = gettext_lazy(
    "This event holds personal data, which you may not see: somebody who may has to correct it."
)


class CorrectionForm(forms.Form):
    """The arguments of ``neural.submit``. Errors that only a schema finds appear on submitting."""

    type = forms.ChoiceField(label=gettext_lazy("type"))
    store = forms.CharField(label=gettext_lazy("store"), max_length=64)
    source = forms.CharField(label=gettext_lazy("source"), max_length=100)
    event_id = forms.CharField(label=gettext_lazy("event id"), max_length=200)
    occurred_at = forms.CharField(
        label=gettext_lazy("occurred at"),
        max_length=100,
        help_text=gettext_lazy("ISO 8601; without a time zone the store's own time."),
    )
    queue = forms.ChoiceField(
        label=gettext_lazy("queue"),
        required=False,
        help_text=gettext_lazy("Empty: the type's own."),
    )
    priority = forms.TypedChoiceField(
        label=gettext_lazy("priority"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "---------"), *((each, each) for each in PRIORITIES)],
        help_text=gettext_lazy("10 is most urgent, 1 least. Empty: the type's own."),
    )
    payload = forms.CharField(label=gettext_lazy("payload"), strip=False)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self._choose("type", (each.name for each in event_types()))
        self._choose("queue", current_app.amqp.queues)
        capitalise_labels(self)
        for name in ("store", "source", "event_id", "occurred_at"):
            self.fields[name].widget = AdminTextInputWidget(
                {"maxlength": self.fields[name].max_length}  # type: ignore[attr-defined]
            )
        self.fields["payload"].widget = AdminTextareaWidget({"rows": 20, "spellcheck": "false"})

    def _choose(self, name: str, values: Any) -> None:
        field: Any = self.fields[name]
        field.choices = [("", "---------"), *((each, each) for each in values)]

    def clean_store(self) -> str:
        """The store is one of the user's own; only users who see every store may name a new one."""
        code: str = self.cleaned_data["store"]
        mine = Store.objects.for_user(self._user).filter(pk=code)
        if not sees_every_store(self._user) and not mine.exists():
            raise ValidationError(_("This is not one of your stores."))
        return code

    def clean_payload(self) -> Any:
        """The payload, decoded from JSON with the limit on depth that applies to any event."""
        text: str = self.cleaned_data["payload"]
        return read_json(text)

    def message_for(self, answer: Submission) -> None:
        """Show at each field why the event was refused."""
        for problem in answer.problems:
            field = problem.field.partition(".")[0]
            self.add_error(field if field in self.fields else None, str(problem))


def prefilled(refused: RefusedEvent, indented: str) -> dict[str, Any]:
    """The form's initial values: what was sent. If no time was sent, use the first refusal's."""
    details = refused.details
    return {
        "type": refused.type,
        "store": refused.store_code,
        "source": refused.source,
        "event_id": refused.event_id,
        "occurred_at": details.get("occurred_at") or refused.refused_at.isoformat(),
        "queue": details.get("queue", ""),
        "priority": details.get("priority", ""),
        "payload": indented,
    }


def hides_anything(refused: RefusedEvent, user: Any) -> bool:
    """Whether something of the event is masked for this user: what is masked cannot be edited."""
    given = refused.payload, refused.details
    return any(for_user(each, user) != each for each in given)


class CorrectingAdmin(NeuralAdmin):
    """An admin with one more address: the form that corrects a refused event."""

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The address of the form; or why there is none, for who could correct the event if nothing
        of it were masked."""
        context = super().row_context(request, row)
        if row.state == RefusalState.OPEN and request.user.has_perm(PERMISSION):
            if hides_anything(row, request.user):
                return context | {"cannot_correct": MASKED}
            context["correct_address"] = address_in_admin(ADDRESS, quote(row.pk))
        return context

    @address("<path:object_id>/correct/", ADDRESS)
    def correct_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form; when its event is recorded, redirect to that event."""
        refused = self.row_or_404(request, object_id)
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        if refused.state != RefusalState.OPEN:
            return self._is_closed(request, refused)
        if hides_anything(refused, request.user):
            raise PermissionDenied(MASKED)
        if request.method != "POST":
            first = prefilled(refused, indented(refused.payload))
            return self._page(request, refused, CorrectionForm(initial=first, user=request.user))
        form = CorrectionForm(request.POST, user=request.user)
        if form.is_valid():
            try:
                answer = self._submit(request, refused, form)
            except RefusalClosed:
                return self._is_closed(request, refused)
            if not answer.is_refused:
                return self._recorded(request, refused, answer)
            form.message_for(answer)
        return self._page(request, refused, form)

    def _submit(self, request: HttpRequest, refused: RefusedEvent, form: Any) -> Submission:
        with transaction.atomic():
            asked = form.cleaned_data | {"queue": form.cleaned_data["queue"] or None}
            answer = correct(refused, asked, by=request.user.get_username())
            if not answer.is_refused:
                log_changes(user=request.user, rows=[refused], change=CORRECTED, action="correct")
        return answer

    def _recorded(
        self, request: HttpRequest, refused: RefusedEvent, answer: Submission
    ) -> HttpResponse:
        text = _("Recorded as {}.") if answer.is_new else _("It was recorded before, as {}.")
        may_see = request.user.has_perm("neural.view_neuralevent")
        visible = link(answer.event) if may_see else str(answer.event)
        self.message_user(request, format_html(text, visible), messages.SUCCESS)
        return HttpResponseRedirect(page_address(refused))

    def _is_closed(self, request: HttpRequest, refused: RefusedEvent) -> HttpResponse:
        text = _("Somebody has corrected or dismissed it already.")
        self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(page_address(refused))

    def _page(
        self, request: HttpRequest, refused: RefusedEvent, form: CorrectionForm
    ) -> TemplateResponse:
        return self.own_page(
            request,
            "admin/neural/refusedevent/correct.html",
            title=_("Correct and submit"),
            subtitle=str(refused),
            refused=refused,
            form=form,
            media=self.media + form.media,
            back_address=page_address(refused),
        )
