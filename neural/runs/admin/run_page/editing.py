"""The address of 'Edit and retry': edit, look at the difference, give a reason, confirm."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from neural.admin.display import link, name_of, page_address
from neural.admin.guards import address
from neural.admin.scope import NeuralAdmin
from neural.kit.errors import PermanentError
from neural.kit.sites import address_in_admin
from neural.ledger.dialects import despite_contention
from neural.models import NeuralEvent, TaskRun
from neural.personal.redacting import sees_personal_data
from neural.runs.admin.run_page.contents import values_of
from neural.runs.admin.run_page.differences import changes_of
from neural.runs.admin.run_page.edit_forms import EditForm, ReasonForm, form_of
from neural.runs.editing import (
    Edited,
    Editor,
    NothingChanged,
    RunNotEditable,
    content_of,
    edit,
)

ADDRESS = "neural_taskrun_edit"
METHODS = ("GET", "HEAD", "POST")
LOGGED = gettext_noop("content: edited (edit and retry)")
PERMISSION = "neural.edit_taskrun"


class EditingAdmin(NeuralAdmin):
    """An admin of runs with one more address: the form that edits a run and retries it."""

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The address of the form for those who may use it."""
        may_edit = not why_not(request.user) and row.may_be_edited
        own = {"edit_address": address_in_admin(ADDRESS, quote(row.pk))} if may_edit else {}
        return super().row_context(request, row) | own

    @address("<path:object_id>/edit/", ADDRESS)
    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form; then the difference; then the run's page."""
        run = self.row_or_404(request, object_id)
        if refusal := why_not(request.user):
            title = _("Edit and retry")
            return self.refused_page(request, title=title, refusal=refusal, back=page_address(run))
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        step = request.POST.get("step", "") if request.method == "POST" else ""
        if text := unreadable(run) or ("" if step == "confirm" else unfit(run)):
            return self._back_to_run(request, run, text)
        if not step:
            return self._page(request, run, form_of(run).opened(run))
        return self._step(request, run, step)

    def _step(self, request: HttpRequest, run: TaskRun, step: str) -> HttpResponse:
        form = form_of(run)(request.POST, run=run)
        if step == "edit" or not form.is_valid():
            return self._page(request, run, form)
        if step != "confirm":
            return self._difference(request, run, form, ReasonForm())
        reason = ReasonForm(request.POST)
        if not reason.is_valid():
            return self._difference(request, run, form, reason)
        return self._confirmed(request, run, form, reason.cleaned_data["reason"])

    def _confirmed(
        self, request: HttpRequest, run: TaskRun, form: EditForm, reason: str
    ) -> HttpResponse:
        known = {name: form.cleaned_data[name] for name in ("token", "seen")}
        editor = Editor(user=request.user, reason=reason, **known)
        try:
            done = despite_contention(partial(_edit, run, form.content, editor))
        except RunNotEditable:
            text = _("Somebody has changed the run since you opened the form: nothing was changed.")
            return self._back_to_run(request, run, text)
        except NothingChanged:
            form.add_error(None, _("Nothing was changed: retry the run as it is."))
            return self._page(request, run, form)
        except PermanentError as refused:  # of a schema, or of what can be kept
            form.add_error(None, str(refused))
            return self._page(request, run, form)
        return self._done(request, run, done)

    def _done(self, request: HttpRequest, run: TaskRun, done: Edited) -> HttpResponse:
        """To the run that is tried next."""
        new = TaskRun.objects.filter(pk__in=[done.edit.new_run_id or 0]).first()
        if done.edit.new_event_id is None:
            text: Any = _("The run was edited and is due again.")
        else:
            event = NeuralEvent.objects.filter(pk=done.edit.new_event_id).first()
            may_see = request.user.has_perm("neural.view_neuralevent")
            visible = link(event) if may_see else str(event)
            text = format_html(_("The corrected event is recorded as {}."), visible)
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(page_address(new or run))

    def _back_to_run(self, request: HttpRequest, run: TaskRun, text: str) -> HttpResponse:
        self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(page_address(run))

    def _difference(
        self, request: HttpRequest, run: TaskRun, form: EditForm, reason: ReasonForm
    ) -> HttpResponse:
        changes = changes_of(content_of(run), form.content, request.user)
        if not changes.changes:
            form.add_error(None, _("Nothing was changed: retry the run as it is."))
            return self._page(request, run, form)
        others = {"reason": reason, "shown": changes, "siblings": _siblings(run)}
        return self._page_of(request, run, "difference.html", form=form, **others)

    def _page(self, request: HttpRequest, run: TaskRun, form: EditForm) -> HttpResponse:
        return self._page_of(request, run, "edit.html", form=form)

    def _page_of(self, request: HttpRequest, run: TaskRun, name: str, **more: Any) -> HttpResponse:
        return self.own_page(
            request,
            f"admin/neural/taskrun/{name}",
            title=_("Edit and retry"),
            subtitle=name_of(run),
            run=run,
            back_address=page_address(run),
            **more,
        )


def _siblings(run: TaskRun) -> list[TaskRun]:
    """The event's other runs: the corrected event gets a run for each of these handlers too."""
    if run.event is None:
        return []
    others = run.event.runs.exclude(pk=run.pk).order_by("handler")
    return list(others.only("handler", "task", "task_id", "state"))


@transaction.atomic
def _edit(run: TaskRun, content: dict[str, Any], editor: Editor) -> Edited:
    """Edit the run, with an entry for its history."""
    done = edit(run=run, content=content, editor=editor)
    if not done.is_repeated:
        message = [{"changed": {"fields": [LOGGED]}}]
        LogEntry.objects.log_actions(editor.user.pk, [run], CHANGE, message)
    return done


def why_not(user: Any) -> str:
    """Why this user may edit no run, as a sentence; empty if the user may."""
    action = {"action": _("Edit and retry")}
    if not user.has_perm(PERMISSION):
        return _("%(action)s needs a permission that you do not have.") % action
    if not sees_personal_data(user):
        return (
            _(
                "%(action)s needs the permission to see personal data too: what is masked cannot "
                "be edited."
            )
            % action
        )
    return ""


def unfit(run: TaskRun) -> str:
    """Why a run of this state is not edited; empty if it may be."""
    if run.may_be_edited:
        return ""
    return _("Only a run that is set aside, or that has failed and waits, can be edited.")


def unreadable(run: TaskRun) -> str:
    """Why its content cannot be put into a form; empty if it can."""
    rows: Any = (run.event, "payload") if run.event_id else (run, "args", "kwargs")
    values = values_of(*rows)
    if values is None:
        return _("Its content is nested too deep to be edited.")
    if values == [None]:
        return _("The event's payload was pruned: there is nothing to edit.")
    return ""
