"""What the list of refused events may be narrowed to, and what is done to its rows."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin import audit
from neural.admin.actions import Verb
from neural.admin.filters import EqualityFilter, StoreFilter, choices_of
from neural.models import Door, RefusalState

DISMISS = Verb(
    name="dismiss",
    label=_("Dismiss"),
    explanation=_("Dismiss: nothing is to be done about these"),
    permission="neural.dismiss_refusedevent",
    apply=lambda refused, user: refused.dismiss(by=user.get_username()),
    fits=lambda refused: refused.state == RefusalState.OPEN,
    change=lambda refused: audit.DISMISSED,
)
REOPEN = Verb(
    name="reopen",
    label=_("Open again"),
    explanation=_("Open again: these were dismissed, and something is to be done after all"),
    permission="neural.dismiss_refusedevent",
    apply=lambda refused, user: refused.reopen(),
    fits=lambda refused: refused.state == RefusalState.DISMISSED,
    change=lambda refused: audit.REOPENED,
)


class RefusalStateFilter(EqualityFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return choices_of(RefusalState)


class DoorFilter(EqualityFilter):
    title = _("way it came")
    parameter_name = "door"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return choices_of(Door)


class StoreCodeFilter(StoreFilter):
    """The store is a code, that of no store perhaps."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        choices = super().lookups(request, model_admin)
        self.more = True  # a field for a code of no store
        return choices

    def condition(self, value: str) -> Q:
        return Q(store_code=value)
