"""The page that asks before a bulk action: what an address means, its form, and the token by which
one form is one action.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from celery import current_app
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from neural.admin.display import named_work, page_address
from neural.admin.forms import capitalise_labels
from neural.admin.guards import address
from neural.admin.scope import NeuralAdmin
from neural.kit.sites import address_in_admin
from neural.kit.verbs import refusal
from neural.ledger.clock import database_clock
from neural.models import BulkAction
from neural.models.store import sees_every_store
from neural.personal.redacting import for_user
from neural.runs.acts import CHOSEN, QUEUE, RUN_VERBS, RunVerb
from neural.runs.admin.bulk.words import Words, words_of
from neural.runs.bulk.beginning import (
    FASTEST,
    LONGEST_REASON,
    BulkActionRefused,
    begin_bulk_action,
    no_state,
    no_verb,
    too_many,
)
from neural.runs.bulk.previewing import Part, Preview, preview
from neural.runs.models.bulk_action import UNDER_WAY
from neural.runs.query import QueryRefused, RunQuery
from neural.runs.selecting import Selection, chosen, select

TARGET = "to_queue"
"""The field of the queue to move to. ``queue`` is the filter by the queue on which runs are."""
_FIELDS = {"reason": "reason", "pace": "pace", QUEUE: TARGET}
OF_THE_FORM = {
    *("verb", "token", "reason", "pace", TARGET, CHOSEN, "csrfmiddlewaretoken"),
    *("action", "index", "select_across"),
}
"""Parameters that are no filters."""


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

    def __init__(self, *args: Any, verb: RunVerb, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if verb.needs_queue:
            queues: Any = self.fields[TARGET]
            queues.choices = [
                ("", "---------"),
                *((name, name) for name in current_app.amqp.queues),
            ]
        else:
            del self.fields[TARGET]
        capitalise_labels(self)

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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address or the form asks for."""

    verb: RunVerb
    params: dict[str, str]
    selection: Selection

    @property
    def query(self) -> RunQuery | None:
        """None if the runs were chosen one by one."""
        return self.selection.query if self.selection.run_ids is None else None

    def now(self) -> Selection:
        """The runs as they are now: what comes later is not meant."""
        if self.query is None:
            return self.selection
        return replace(self.selection, query=self.verb.meant(self.query).at(database_clock()))


def asked_of(request: HttpRequest) -> Asked:
    """What a request asks for; raises :class:`~neural.runs.query.QueryRefused`."""
    data = request.POST if request.method == "POST" else request.GET
    verb = data.get("verb", "")
    if unknown := no_verb(verb):
        raise QueryRefused({"verb": unknown})
    params = {name: data[name] for name in data if name not in OF_THE_FORM and data[name]}
    if CHOSEN in data:
        selection = chosen(_keys(data.getlist(CHOSEN)), request.user)
    else:  # with the meaning of its free text in its place: it means the same later
        selection = select(RunQuery.from_params(params), request.user)
    return Asked(verb=RUN_VERBS[verb], params=params, selection=selection)


def _keys(texts: Sequence[str]) -> Sequence[int]:
    wrong = [text for text in texts if not (text.isascii() and text.isdigit() and len(text) < 19)]
    if wrong:
        message = gettext("“%(value)s” is not the number of a run.") % {"value": wrong[0][:100]}
        raise QueryRefused({CHOSEN: message})
    if problem := too_many(texts):
        raise QueryRefused({CHOSEN: problem})
    return sorted({int(text) for text in texts})


def token_for(user: Any, asked: Asked) -> str:
    """A token that is the same in every tab in which this user is asked the same.

    It changes with the user's next action: then the same question means a second execution.
    """
    own = BulkAction.objects.filter(user_id=str(user.pk))
    newest = own.order_by("-pk").values_list("pk", flat=True).first()
    meant = [asked.verb.name, sorted(asked.params.items()), asked.selection.run_ids]
    text = json.dumps([str(user.pk), *meant, newest])
    return salted_hmac("neural.bulk_action", text, algorithm="sha256").hexdigest()


UNDER_WAY_SHOWN = 5


class BulkPreview(NeuralAdmin):
    """An admin of bulk actions with the page of the preview."""

    @address("preview/", "_preview", require_http_methods(["GET", "HEAD", "POST"]))
    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the verb would do; sent as a form with a token, begin it.

        The runs are those that the parameters of a list of runs mean, or the chosen ones. A list
        may send them by POST too.
        """
        if not request.user.has_perm("neural.view_taskrun"):
            raise PermissionDenied
        try:
            asked = asked_of(request)
        except QueryRefused as refused:
            return self._page(request, None, problems=refused.problems.values())
        if not asked.verb.is_permitted(request.user):
            return self.refused_page(
                request,
                title=asked.verb.label,
                refusal=refusal(asked.verb),
                back=address_in_admin("neural_taskrun_changelist"),
            )
        if "token" not in request.POST:
            first = {
                "token": token_for(request.user, asked),
                "reason": request.GET.get("reason", ""),
            }
            return self._previewed(request, asked, BulkForm(initial=first, verb=asked.verb))
        return self._begin(request, asked)

    def _begin(self, request: HttpRequest, asked: Asked) -> HttpResponse:
        form = BulkForm(request.POST, verb=asked.verb)
        if not form.is_valid():
            return self._previewed(request, asked, form)
        try:
            begun = begin_bulk_action(
                verb=asked.verb.name,
                user=request.user,
                reason=form.cleaned_data["reason"],
                token=form.cleaned_data["token"],
                query=asked.query,
                run_ids=asked.selection.run_ids,
                values=form.values,
                pace=form.cleaned_data["pace"],
            )
        except BulkActionRefused as refused:
            form.show(refused)
            return self._previewed(request, asked, form)
        if not begun.is_new:
            text = gettext("This form was sent before: here is what it began.")
            self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(page_address(begun.action))

    def _previewed(self, request: HttpRequest, asked: Asked, form: BulkForm) -> HttpResponse:
        selection = asked.now()
        found = preview(verb=asked.verb, selection=selection, values=form.values)
        words: Words = ()
        problems: list[str] = []
        hidden: list[tuple[str, Any]] = [(CHOSEN, key) for key in selection.run_ids or ()]
        if asked.query is not None:
            words = words_of(selection.query, request.user)
            problems = [no_state(asked.verb, selection.query)]
            hidden = [*selection.query.params().items()]
        numbers = {"number": found.fit, "count": counted(found.fit, found.is_more)}
        return self._page(
            request,
            asked,
            problems=filter(None, problems),
            form=form,
            found=_redacted(found, request.user),
            words=words,
            button=str(asked.verb.button % numbers),
            matched=counted(found.matched, found.is_more),
            hidden=[("verb", asked.verb.name), *hidden],
            others=_under_way(request.user),
        )

    def _page(
        self, request: HttpRequest, asked: Asked | None, *, problems: Any, **more: Any
    ) -> TemplateResponse:
        return self.own_page(
            request,
            "admin/neural/bulkaction/preview.html",
            title=asked.verb.label if asked else gettext("Act on many runs"),
            asked=asked,
            problems=list(problems),
            runs_address=address_in_admin("neural_taskrun_changelist"),
            **more,
        )


def counted(number: int, is_more: bool) -> str:
    """A number as text: '10,000+' where counting stopped."""
    return f"{number:,}" + ("+" if is_more else "")


def _redacted(found: Preview, user: Any) -> dict[str, Any]:
    """The preview with works by their titles, and errors as this user may see them."""
    return {
        "preview": found,
        "works": [Part(named_work(each.of), each.runs) for each in found.works],
        "errors": [Part(for_user(each.of, user), each.runs) for each in found.errors],
        "sample": [(run, for_user(run.error, user)) for run in found.sample],
    }


def _under_way(user: Any) -> Sequence[BulkAction]:
    """Actions that go on now, which may concern the same runs."""
    rows = BulkAction.objects.filter(state__in=UNDER_WAY).order_by("-pk")
    rows = rows if sees_every_store(user) else rows.filter(user_id=str(user.pk))
    return list(rows[:UNDER_WAY_SHOWN])
