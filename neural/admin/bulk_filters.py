"""Filters of the list of bulk actions."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import EqualityFilter, choices_of
from neural.models import BulkActionState, BulkVerb


class BulkStateFilter(EqualityFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(BulkActionState)


class BulkVerbFilter(EqualityFilter):
    title = _("action")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(BulkVerb)
