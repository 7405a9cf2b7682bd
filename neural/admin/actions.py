"""Actions of people on rows, such as *Retry*: verbs of the models, for one row or a selection.

A verb is called by POST only and needs its own permission. It acts only on rows that the user may
see, and leaves an entry in the audit log, with the reason if the person gives one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from neural.admin.display import page_address
from neural.admin.forms import ActionFormWithReason, reason_in
from neural.admin.guards import address
from neural.admin.recording import log_in_history
from neural.admin.scope import NeuralAdmin
from neural.audit import action_of, record_user
from neural.audit.titles import register_titles_of_rows
from neural.kit.verbs import Verb, refusal
from neural.models import AuditOutcome


@dataclass(frozen=True)
class VerbResult:
    """The rows that a verb changed, and how many rows were in no state for it."""

    rows: Sequence[Model]
    unfit: int

    @property
    def changed(self) -> int:
        """The number of changed rows."""
        return len(self.rows)


def perform(*, verb: Verb, rows: Iterable[Model], user: Any, reason: str = "") -> VerbResult:
    """Apply the verb to each row; the changes and their audit entries commit together.

    ``reason`` are the user's own words.
    """
    changed: dict[str, list[Model]] = defaultdict(list)
    unfit: list[Model] = []
    with transaction.atomic():
        for row in rows:
            # Read before the verb is applied: the audit entry names the state that the verb found.
            change = verb.change_of(row)
            if verb.allows(row, user) and verb.apply(row, user):
                changed[change].append(row)
            else:
                unfit.append(row)
        for change, theirs in changed.items():
            log_in_history(user=user, rows=theirs, change=change, details=reason)
        done = [row for theirs in changed.values() for row in theirs]
        details = {"changes": list(changed)}
        _record(verb, done, user, reason=reason, details=details)
        _record(verb, unfit, user, reason=reason, outcome=AuditOutcome.FAILED)
    return VerbResult(done, len(unfit))


def _record(verb: Verb, rows: Sequence[Model], user: Any, **facts: Any) -> None:
    if rows:
        record_user(user, action=action_of(type(rows[0]), verb.name), rows=rows, **facts)


class VerbsAdmin(NeuralAdmin):
    """An admin with verbs: as buttons on a row's page and as actions on a list."""

    verbs: tuple[Verb, ...] = ()
    action_form = ActionFormWithReason

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        register_titles_of_rows(model, [(verb.name, verb.label) for verb in self.verbs])

    def verbs_for(self, request: HttpRequest) -> Sequence[Verb]:
        """The verbs that this user is permitted to use."""
        return [verb for verb in self.verbs if verb.is_permitted(request.user)]

    # For a selection

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Django's own actions, if any, and the verbs that this user is permitted to use.

        Django 6.1 and later pass ``action_location``, the page that asks. A row's own page gets no
        actions, because it shows its verbs as buttons.
        """
        where = {} if action_location is None else {"action_location": action_location}
        actions: dict[str, Any] = super().get_actions(request, **where)
        if getattr(action_location, "name", "") == "CHANGE_FORM":
            return actions
        for verb in self.verbs_for(request):
            function = partial(act_on_selection, verb=verb)
            actions[verb.name] = (function, verb.name, verb.explanation)
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list. It answers a verb that the user is not permitted with a message."""
        names = set(request.POST.getlist("action"))
        for verb in self.verbs:
            if verb.name in names and not verb.is_permitted(request.user):
                self.message_user(request, refusal(verb), messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    # For one row

    @address("<path:object_id>/act/<slug:verb>/", "_act", require_POST)
    def act_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Apply the verb to one row and redirect to the row's page, or to the page of ours that the
        form names in ``next``."""
        found = next((each for each in self.verbs if each.name == verb), None)
        if found is None:
            raise Http404
        row = self.row_or_404(request, object_id)
        if not (found.is_permitted(request.user) and found.allows(row, request.user)):
            return self.refused_page(
                request, title=found.label, refusal=refusal(found), back=page_address(row)
            )
        if found.asks_for_one and (address := found.leads_to([row], next_page(request))):
            return HttpResponseRedirect(address)
        do_with_reason(self, request, found, [row])
        return HttpResponseRedirect(next_page(request) or page_address(row))

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Buttons for the verbs that fit the row's state."""
        fitting = [each for each in self.verbs_for(request) if each.allows(row, request.user)]
        return super().row_context(request, row) | {
            "verbs": [verb for verb in fitting if verb.fits(row)],
            "act_address": page_address(row).removesuffix("change/") + "act/",
        }


def next_page(request: HttpRequest) -> str:
    """The page of ours that the form or the address names in ``next``; empty if none."""
    where = request.POST.get("next", request.GET.get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(
        where, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return where if is_ours else ""


def act_on_selection(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet, *, verb: Verb
) -> HttpResponse | None:
    """Apply the verb to the chosen rows and report the result to the user; or lead the user to the
    page that shows what it would do."""
    # Ordered by key, so that two people who act on the same rows cannot deadlock.
    rows = queryset.order_by("pk")
    if address := verb.leads_to(rows, request.get_full_path()):
        return HttpResponseRedirect(address)
    do_with_reason(model_admin, request, verb, rows)
    return None


def do_with_reason(
    model_admin: admin.ModelAdmin, request: HttpRequest, verb: Verb, rows: Collection[Model]
) -> None:
    """Apply the verb with the reason that came with the form, and report the result to the user."""
    reason = reason_in(request)
    if not reason and any(map(verb.needs_reason, rows)):
        text = _("%(action)s needs a reason, which everybody sees.")
        model_admin.message_user(request, text % {"action": verb.label}, messages.ERROR)
        return
    result = perform(verb=verb, rows=rows, user=request.user, reason=reason)
    _message_user(model_admin, request, verb, result)


def _message_user(
    model_admin: admin.ModelAdmin, request: HttpRequest, verb: Verb, result: VerbResult
) -> None:
    values = {"action": verb.label}
    if verb.message_for:
        for row in result.rows:
            level, message = verb.message_for(row)
            model_admin.message_user(request, message, level)
    elif result.changed:
        text = ngettext(
            "%(action)s: %(count)d changed.", "%(action)s: %(count)d changed.", result.changed
        )
        text %= values | {"count": result.changed}
        model_admin.message_user(request, text, messages.SUCCESS)
    if result.unfit:
        text = ngettext(
            "%(action)s: %(count)d was not in a state that allows it and was left as it is.",
            "%(action)s: %(count)d were not in a state that allows it and were left as they are.",
            result.unfit,
        )
        text %= values | {"count": result.unfit}
        model_admin.message_user(request, text, messages.WARNING)
