"""What people do to rows: verbs of the models, for one row or a selection.

A verb is reached by POST only, needs its own permission, acts on rows that the user may see
and leaves an audit entry for each row that it changed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from neural.admin.audit import log_changes
from neural.admin.display import page_address
from neural.models.store import sees_every_store


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One thing that may be done to a row.

    ``apply(row, user)`` says whether the row was changed; ``fits(row)`` whether its button is
    shown; ``change(row)``, asked before, what the audit says; ``message_for(row)`` what the person
    is told of a row that was changed (level and text), where more is to be said than how many.
    ``whole_chain``: it concerns every store, so whoever is limited to some does not do it.
    """

    name: str
    label: Any
    explanation: Any
    permission: str
    apply: Callable[[Any, Any], bool]
    fits: Callable[[Any], bool]
    change: Callable[[Any], str]
    message_for: Callable[[Any], tuple[int, str]] | None = None
    whole_chain: bool = False

    def is_permitted(self, user: Any) -> bool:
        """Whether this user may do it to rows that they see."""
        permitted: bool = user.has_perm(self.permission)
        return permitted and (not self.whole_chain or sees_every_store(user))


@dataclass(frozen=True)
class VerbResult:
    """Which rows a verb changed, and how many were in no state for it."""

    rows: Sequence[Model]
    unfit: int

    @property
    def changed(self) -> int:
        """How many."""
        return len(self.rows)


def perform(*, verb: Verb, rows: Iterable[Model], user: Any) -> VerbResult:
    """Do it to each row; the changes and their audit entries commit together."""
    changed: dict[str, list[Model]] = defaultdict(list)
    unfit = 0
    with transaction.atomic():
        for row in rows:
            # Read before the verb: a state that changes in between is named by its last one.
            change = verb.change(row)
            if verb.apply(row, user):
                changed[change].append(row)
            else:
                unfit += 1
        for change, theirs in changed.items():
            log_changes(user=user, rows=theirs, change=change)
    return VerbResult([row for theirs in changed.values() for row in theirs], unfit)


class VerbsAdmin(admin.ModelAdmin):
    """An admin with verbs: buttons on a row's page, actions on a list."""

    verbs: tuple[Verb, ...] = ()

    def verbs_for(self, request: HttpRequest) -> Sequence[Verb]:
        """The verbs that this user is permitted."""
        return [verb for verb in self.verbs if verb.is_permitted(request.user)]

    # For a selection

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """The stock actions, if any, and the verbs that this user is permitted.

        ``action_location`` is of Django 6.1 and later, and says on which page: on that of one row
        verbs are buttons.
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
        """The stock list. A verb that is not permitted is refused with a sentence."""
        names = set(request.POST.getlist("action"))
        for verb in self.verbs:
            if verb.name in names and not verb.is_permitted(request.user):
                self.message_user(request, refusal(verb), messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    # For one row

    def get_urls(self) -> list[URLPattern]:
        """One address more: a row and what is to be done to it."""
        meta = self.opts
        view = self.admin_site.admin_view(self.act_view)
        name = f"{meta.app_label}_{meta.model_name}_act"
        return [path("<path:object_id>/act/<slug:verb>/", view, name=name), *super().get_urls()]

    @method_decorator(require_POST)
    def act_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Do it to one row and go back to its page."""
        found = next((each for each in self.verbs if each.name == verb), None)
        row = self.get_object(request, unquote(object_id))  # within the user's stores
        if found is None or row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if not found.is_permitted(request.user):
            return self._refused(request, row, found)
        _message_user(self, request, found, perform(verb=found, rows=[row], user=request.user))
        return HttpResponseRedirect(page_address(row))

    def _refused(self, request: HttpRequest, row: Model, verb: Verb) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": verb.label,
            "refusal": refusal(verb),
            "back": page_address(row),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/neural/refused.html", context, status=403)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """The stock page with the buttons that fit the row's state."""
        row = kwargs.get("obj")
        if row is not None:
            context["verbs"] = [verb for verb in self.verbs_for(request) if verb.fits(row)]
            context["act_address"] = page_address(row).removesuffix("change/") + "act/"
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[return-value]


def refusal(verb: Verb) -> str:
    """Why somebody may not, as far as it depends on them."""
    if verb.whole_chain:
        text = _(
            "%(action)s concerns every store. It needs the permission for it, and the permission "
            "to see the rows of every store."
        )
    else:
        text = _("%(action)s needs a permission that you do not have.")
    return text % {"action": verb.label}


def act_on_selection(
    model_admin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet, *, verb: Verb
) -> None:
    """Do it to the chosen rows, and tell what came of it."""
    # By key, so that two people who act on the same rows do not wait for each other in a circle.
    rows = queryset.order_by("pk")
    _message_user(model_admin, request, verb, perform(verb=verb, rows=rows, user=request.user))


def _message_user(
    model_admin: admin.ModelAdmin, request: HttpRequest, verb: Verb, tally: VerbResult
) -> None:
    values = {"action": verb.label}
    if verb.message_for:
        for row in tally.rows:
            level, said = verb.message_for(row)
            model_admin.message_user(request, said, level)
    elif tally.changed:
        text = ngettext(
            "%(action)s: %(count)d changed.", "%(action)s: %(count)d changed.", tally.changed
        )
        text %= values | {"count": tally.changed}
        model_admin.message_user(request, text, messages.SUCCESS)
    if tally.unfit:
        text = ngettext(
            "%(action)s: %(count)d was not in a state that allows it and was left as it is.",
            "%(action)s: %(count)d were not in a state that allows it and were left as they are.",
            tally.unfit,
        )
        text %= values | {"count": tally.unfit}
        model_admin.message_user(request, text, messages.WARNING)
