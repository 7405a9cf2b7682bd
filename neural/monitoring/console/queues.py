"""The page of queues: what waits in each, who reads it, and whether it is paused."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from neural.admin.actions import Verb, perform, refusal
from neural.admin.display import instant_column
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import ReadOnlyAdmin, section
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.health.situation import Situation
from neural.kit.sites import address_in_admin
from neural.ledger.clock import database_clock
from neural.models import QueuePause
from neural.monitoring.console.page import Viewer, page_context
from neural.monitoring.console.queue_facts import RATE_MINUTES, rates_now, with_pace
from neural.queues import QUEUES
from neural.queues.pausing import LONGEST_REASON, PauseRefused, pause, pauses, resume
from neural.queues.state import QueueState

LONGEST_MINUTES = 30 * 24 * 60
SHOWN = 40
"""So many queues are shown unless all are asked for, or one by its name."""
MOST = 1000
"""No page shows more."""


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


@dataclass(frozen=True, kw_only=True)
class QueueChoice:
    """The queues of a page, and what was asked for."""

    names: Sequence[str]
    total: int
    due: int = 0
    """Queues with due runs."""
    paused: int = 0
    one: str = ""
    """The only queue that was asked for."""
    is_all: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether there is no queue of the name that was asked for."""
        return bool(self.one) and not self.names

    @property
    def left_out(self) -> int:
        return 0 if self.one else self.total - len(self.names)

    @property
    def has_forms(self) -> bool:
        """Whether each queue's row holds its form; those of hundreds would be most of a page."""
        return len(self.names) <= SHOWN

    @property
    def query(self) -> str:
        """The part of the address after the path."""
        asked = {"queue": self.one} if self.one else {"all": "1"} if self.is_all else {}
        return f"?{urlencode(asked)}" if asked else ""


def chosen_queues(
    situation: Situation, params: Mapping[str, str], *, first: str = ""
) -> QueueChoice:
    """The queues that the parameters ``queue`` and ``all`` ask for, else those that need somebody
    most. ``first`` is shown in any case, if there is such a queue."""
    names = list(situation.queues)
    due, paused = len(situation.waiting), len(situation.pauses)
    about: dict[str, Any] = {"total": len(names), "due": due, "paused": paused}
    if one := params.get("queue", ""):
        return QueueChoice(names=[one] if one in names else [], one=one, **about)
    is_all = "all" in params
    if len(names) > SHOWN and not is_all:
        names.sort(key=lambda name: (name != first, *_rank(situation.queues[name])))
    return QueueChoice(names=names[: MOST if is_all else SHOWN], is_all=is_all, **about)


def _rank(state: QueueState) -> Sequence[bool | float]:
    """Due runs that nobody reads come first, then pauses, then what has waited longest, and the
    project's own queues before others."""
    is_own = state.name in QUEUES
    return (not state.is_unread, state.pause is None, -state.oldest_seconds, not is_own)


PAUSE = _("Pause")
RESUME = Verb(
    name="resume",
    label=_("Resume"),
    explanation=_("Resume: start the queue's runs again"),
    permission="neural.pause_queue",
    apply=lambda paused, user: resume(queue=paused.queue, by=user.get_username()),
    fits=lambda paused: True,
    change=gettext_noop("paused: yes → no (resume)"),
    whole_chain=True,
)
QUEUE_PAUSED = gettext_noop("paused: yes (pause)")


@page(QueuePause)
class QueuesAdmin(ReadOnlyAdmin):
    """The page of queues in place of the list of pauses. Queues belong to the whole chain, so a
    user who is limited to some stores does not see them."""

    whole_chain = ("view",)
    exported = False

    fieldsets = (
        section(
            None,
            "queue",
            "reason",
            "paused_by",
            instant_column(QueuePause, "since"),
            instant_column(QueuePause, "until"),
            "standing",
        ),
    )

    @display(description=_("state"))
    def standing(self, paused: QueuePause) -> str:
        in_force = pauses().filter(pk=paused.pk).exists()
        return gettext("in force") if in_force else gettext("ended")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the table alone, which refreshes by itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, extra_context)

    @address("pause/", "_pause", require_POST)
    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Pause the queue that the form names, or show what is wrong with the form."""
        if refused := self._refused(request, PAUSE):
            return refused
        form = PauseForm(request.POST)
        if not form.is_valid():
            return self._page(request, form=form)
        try:
            self._pause(request.user, form)
        except PauseRefused as reason:
            form.add_error(None, str(reason))
            return self._page(request, form=form)
        text = gettext("The queue %(queue)s is paused. Runs that have started go on.")
        self.message_user(request, text % form.cleaned_data, messages.SUCCESS)
        return self._back()

    def _pause(self, user: Any, form: PauseForm) -> None:
        """Pause the queue and leave an entry; both commit together."""
        queue, reason = form.cleaned_data["queue"], form.cleaned_data["reason"]
        with transaction.atomic():
            paused = pause(queue=queue, reason=reason, by=user.get_username(), until=form.end)
            log_changes(
                user=user,
                rows=[paused],
                change=QUEUE_PAUSED,
                action="pause",
                details=paused.reason,
            )

    @address("resume/", "_resume", require_POST)
    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Resume the queue that the form names."""
        if refused := self._refused(request, RESUME.label):
            return refused
        queue = request.POST.get("queue", "")
        rows = [each for each in pauses() if each.queue == queue]
        if perform(verb=RESUME, rows=rows, user=request.user).changed:
            text, level = gettext("The queue %(queue)s goes on."), messages.SUCCESS
        else:
            text, level = gettext("The queue %(queue)s was not paused."), messages.WARNING
        self.message_user(request, text % {"queue": queue}, level)
        return self._back()

    def _refused(self, request: HttpRequest, label: Any) -> HttpResponse | None:
        """The refusal of a user who may not pause and resume; ``label`` is the button's."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if RESUME.is_permitted(request.user):
            return None
        return self.refused_page(
            request,
            title=label,
            refusal=refusal(replace(RESUME, label=label)),
            back=address_in_admin("neural_queuepause_changelist"),
        )

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(address_in_admin("neural_queuepause_changelist"))

    def _page(
        self, request: HttpRequest, extra: dict[str, Any] | None = None, *, form: Any = None
    ) -> HttpResponse:
        may_pause = RESUME.is_permitted(request.user)
        situation = Situation()
        first = form["queue"].value() if form else ""
        choice = chosen_queues(situation, request.GET.dict(), first=first)
        rates, sent = rates_now(situation.now), _messages(choice.names)
        states = with_pace((situation.queues[name] for name in choice.names), rates)
        has_forms = may_pause and choice.has_forms
        rows = [
            {
                "facts": state,
                "readers": situation.readers.get(name, ()),
                "messages": sent.get(name),
                "form": _form_of(name, form) if has_forms else None,
            }
            for name, state in states.items()
        ]
        context = page_context(
            self,
            request,
            title=_("Queues"),
            rows=rows,
            choice=choice,
            form_of=first or choice.one,
            refused_form=form if form and not any(row["form"] is form for row in rows) else None,
            may_pause=may_pause,
            runs_address=Viewer(request, self.admin_site).lists.get("neural.taskrun", ""),
            rate_minutes=RATE_MINUTES,
            broker_is_away=any(row["messages"] is None for row in rows),
            rates_are_unknown=bool(rows) and rates is None,
        )
        context["media"] += Media(css={"all": ("neural/console-queues.css",)})
        is_part = request.headers.get("HX-Request") == "true"
        name = "queues_table.html" if is_part else "queues.html"
        return TemplateResponse(request, f"neural/monitoring/{name}", context | (extra or {}))


def _messages(names: Sequence[str]) -> Mapping[str, int]:
    """Messages in the broker by queue; empty while it does not answer."""
    try:
        return publisher().depths(names)
    except BrokerUnavailable:
        return {}


def _form_of(queue: str, bound: PauseForm | None) -> PauseForm:
    """The form of a queue: the one that was sent, if it was this queue's."""
    if bound is not None and bound["queue"].value() == queue:
        return bound
    return PauseForm(initial={"queue": queue})
